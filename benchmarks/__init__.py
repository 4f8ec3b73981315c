"""Measurements against what a user would pick instead; each prints both sides and the ratio."""
