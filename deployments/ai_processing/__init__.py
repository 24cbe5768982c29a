"""Turns text into category, urgency, intent and risk; stateless."""
