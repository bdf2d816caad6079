"""Curiosity: bonuses for what is new, and the ways in which learners take them."""
