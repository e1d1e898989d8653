"""The doors: how a caller's sound and messages come in and go out."""
