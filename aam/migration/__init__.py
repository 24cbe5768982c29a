"""Coming from the system that this one replaces."""
