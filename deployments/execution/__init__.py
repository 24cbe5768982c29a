"""Carries out a chosen option exactly as recorded, against outside systems; fed by a queue."""
