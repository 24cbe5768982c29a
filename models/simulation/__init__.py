"""Holds the workforce simulation to exact queueing results, and its tables to its full runs."""
