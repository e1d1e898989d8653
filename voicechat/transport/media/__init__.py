"""Sound on the wire: RTP in order, Opus, the microphone and the playout."""
