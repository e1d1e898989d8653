"""Detectors of the end of a turn."""
