"""Who may come in, from where, and for what."""
