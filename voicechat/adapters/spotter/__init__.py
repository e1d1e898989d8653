"""Spotters of back-channels."""
