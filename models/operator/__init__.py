"""Learning from an operator's own history: import, targets, features, training and the report."""
