"""Model artefacts: the corpus, training and evaluation; never imported when serving."""
