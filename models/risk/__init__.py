"""Training and evaluation of the risk model."""
