"""What the commands do, and the callers in Python that they need."""
