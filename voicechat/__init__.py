"""voicechat: self-hosted realtime voice chat in one process."""

__version__ = "0.1.0"
