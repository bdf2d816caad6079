"""Hyper-parameters by search: many seeds for each trial, resumable, and honest about its winner."""
