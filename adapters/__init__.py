"""The only place for vendor SDKs: a real and an embedded implementation for each port."""
