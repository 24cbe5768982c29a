"""Telling people: the inbox, pushes by the channels that they chose, digests, and the ladder of an alert."""
