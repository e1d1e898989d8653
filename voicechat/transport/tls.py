"""TLS for our own port."""

import ssl

from voicechat.config import Settings


def context(settings: Settings) -> ssl.SSLContext | None:
    """None: the port speaks plainly. Blocking. Raises ConfigError."""
    return None
