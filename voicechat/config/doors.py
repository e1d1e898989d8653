"""Settings of the doors for other programs: `names`, `rtvi` and `wyoming`."""

from typing import Annotated

from pydantic import Field

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
    """The port for programs that speak Wyoming, as Home Assistant does. Nobody there has to have a key."""

    port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """0: any that is free, and the log says which; None: closed."""
    host: str = "127.0.0.1"
    open: bool = False
    """Whether `host` may be where others reach it: whoever does may then talk, and hear."""
