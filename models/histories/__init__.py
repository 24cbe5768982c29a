"""Generated histories of buildings: causes, crews and residents whose interplay makes requests go right or wrong."""
