"""Writes what the evaluations found as one report with pictures."""
