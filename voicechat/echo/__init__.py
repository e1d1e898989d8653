"""Pure: our own sound, come back into the microphone. `gate.Gate` says whether a frame holds more than that."""
