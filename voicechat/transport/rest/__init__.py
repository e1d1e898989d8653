"""Doors of one request and one answer."""
