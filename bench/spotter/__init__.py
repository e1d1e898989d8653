"""Trains the spotter of back-channels, and judges it by voices that it does not know."""
