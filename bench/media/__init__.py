"""What a call costs and how long a caller waits: voicechat beside stock aiortc, pipecat and FastRTC."""
