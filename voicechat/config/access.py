"""Settings of who may come in: `access`."""

from voicechat.config.section import Section


class AccessSettings(Section):
    """Empty: everybody on this machine."""
