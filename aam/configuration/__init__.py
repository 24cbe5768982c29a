"""Strict checks of every configuration file; one module for each kind of file."""
