"""Settings of the doors for other programs: `names`, `rtvi` and `wyoming`."""

from voicechat.config.section import Section


class NameSettings(Section):
    """What others call our models and voices."""


class RtviSettings(Section):
    """Calls by programs that speak RTVI."""

    enabled: bool = True


class WyomingSettings(Section):
    """The port for programs that speak Wyoming."""
