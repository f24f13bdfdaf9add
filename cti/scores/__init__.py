"""Scores: what a month says of each unit, reproducibly."""
