"""What `tts/piper.py` is made of: where its voices lie, and how a sentence is cut."""
