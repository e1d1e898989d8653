"""Settings of the doors for other programs: `names`, `rtvi` and `wyoming`."""

from voicechat.config.section import Section


class NameSettings(Section):
    """What others call our models and voices. The names of OpenAI's need no entry: they mean the default."""

    voices: dict[str, str] = {}
    """Our voice for each name."""
    models: dict[str, str] = {}
    """Our model for each name; a session's is always the one of this house, and no more is said about it."""


class RtviSettings(Section):
    """Calls by programs that speak RTVI."""

    enabled: bool = True


class WyomingSettings(Section):
    """The port for programs that speak Wyoming."""
