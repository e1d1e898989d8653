"""Acoustic echo cancellers."""
