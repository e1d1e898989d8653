"""Models on disk: the catalogue under one root, and the voice packs in it."""
