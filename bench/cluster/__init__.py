"""The graph on several nodes of one machine: scaled, updated and robbed of a node, each under load."""
