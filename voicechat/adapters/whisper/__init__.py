"""What the engines on Whisper are made of: `asr/whisper.py` and `asr/whisperx.py`."""
