"""Whether the server may listen where it is told to."""

from voicechat.config import Settings


def check(settings: Settings) -> None:
    """Raises ConfigError when it may not."""
