"""Trains and evaluates the text model: category, urgency, intent and trade of a message."""
