"""Accepts a request and carries it through: the HTTP ingress and the only writer of requests."""
