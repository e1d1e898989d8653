"""Recordings played to real sessions on virtual time, judged, and tried under other settings."""
