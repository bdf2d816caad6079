"""The figures as data for the page."""
