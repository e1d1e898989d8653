"""OpenAI's Realtime protocol: its objects, and its doors by WebSocket and WebRTC."""
