"""Settings of the doors: `server`, `transport`, `playout` and `log`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from voicechat.config.section import Count, Seconds, Section


class ServerSettings(Section):
    """Where we listen, and for how many."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tls_cert: Path | None = None
    """A certificate with those between it and its root, in PEM; then the port speaks TLS."""
    tls_key: Path | None = None
    max_sessions: Count = 100
    max_jobs: Count = 8
    """Texts being spoken and recordings being understood at the same time, for who holds no session."""
    upload_bytes: Count = 268_435_456
    """Memory that all recordings sent to be understood may have at the same time."""
    setup_seconds: Seconds = 10.0
    """A WebRTC peer that is not connected by then loses its place."""
    media_silence_seconds: Seconds = 10.0
    """A connected WebRTC peer that sends no packet for this long has vanished."""
    idle_seconds: Seconds = 300.0
    """A session without speech, typing or answer for this long ends."""
    session_seconds: Seconds = 3600.0
    message_bytes: Count = 1_048_576
    offer_bytes: Count = 32_768
    offer_candidates: Count = 32
    offer_media_lines: Count = 4


class TransportSettings(Section):
    media: Literal["own", "stock"] = "own"
    """The path of WebRTC sound: our own, or aiortc's as it comes, should an update of it break ours."""


class PlayoutSettings(Section):
    ahead: Annotated[float, Field(ge=0.1, le=5)] = 0.6
    """Seconds of sound that may wait for the speaker."""
    websocket_lead: Annotated[float, Field(ge=0, le=0.4)] = 0.2
    """Seconds that WebSocket callers get ahead of real time."""
    bitrate: Annotated[int, Field(ge=6_000, le=128_000)] = 32_000
    """Opus, bits a second."""
    complexity: Annotated[int, Field(ge=0, le=10)] = 5
    """Opus, 0 cheapest to 10 best."""
    fec: Literal["auto", "always", "never"] = "auto"
    """Opus packets that repair the loss of others, for callers who report losses, for all, or for none."""
    dtx: bool = False
    """Silence is not sent to WebRTC callers, but for a packet now and then."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """auto: console on a terminal, JSON lines elsewhere."""
