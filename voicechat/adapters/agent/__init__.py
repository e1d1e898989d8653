"""What decides what is answered."""
