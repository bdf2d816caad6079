"""Draws what a report holds as data."""
