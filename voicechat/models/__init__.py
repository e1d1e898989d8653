"""Models in memory: loaded once, lent by name, counted, and let go. `manager.ModelManager` is the way in."""
