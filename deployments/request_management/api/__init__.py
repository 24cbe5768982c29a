"""The public HTTP contract: one FastAPI application that speaks for all four services."""
