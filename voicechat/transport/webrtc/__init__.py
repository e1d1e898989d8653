"""One WebRTC caller: the offer, sound both ways, the data channel."""
