"""The fault run: requests go on coming while replicas and the whole application are killed, and nothing may be lost."""
