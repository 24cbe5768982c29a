"""The knowledge base: the documents, and the code that checks and indexes them."""
