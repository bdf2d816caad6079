"""Scores from elsewhere: files of other programs, read as runs that were not made here."""
