"""Hyper-parameters by search: many seeds for each trial, resumable, tested on fresh seeds."""
