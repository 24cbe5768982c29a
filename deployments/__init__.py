"""Four folders, four services; none imports another."""
