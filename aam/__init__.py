"""The command line: `python -m aam ...`."""
