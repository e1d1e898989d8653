"""Logs: how they look, and what of a session is written. Never what anybody said."""

import logging
import sys

import structlog

from voicechat.config import LogSettings
from voicechat.events import (
    Event,
    Failed,
    InputDropped,
    Noted,
    ReplyFinished,
    SessionEnded,
    SessionStarted,
    ToolEnded,
    TranscriptFailed,
    TranscriptFinal,
    TurnMeasured,
)
from voicechat.session import Observer


def configure(settings: LogSettings) -> None:
    """Sends structlog and the libraries' logging to standard error."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")


def observer(session: str) -> Observer:
    """Writes one session's events."""
    log = structlog.get_logger().bind(session=session)

    def observe(event: Event) -> None:
        match event:
            case SessionStarted():
                log.info("session started")
            case SessionEnded():
                log.info("session ended", reason=event.reason)
            case TranscriptFinal():
                log.debug(
                    "understood",
                    seconds=round(event.seconds, 2),
                    factor=round(event.factor, 3),
                    confidence=round(event.confidence, 2),
                )
            case TranscriptFailed() | Failed():
                log.warning("failed", code=event.code, message=event.message)
            case Noted():
                log.info("noted", code=event.code, message=event.message)
            case ToolEnded():
                log.info("tool", name=event.name, failed=event.failed, seconds=round(event.seconds, 3))
            case ReplyFinished():
                log.debug("answered", status=event.status.value, reason=event.reason, heard=round(event.heard, 2))
            case InputDropped():
                log.warning("input dropped", seconds=event.seconds)
            case TurnMeasured():
                log.info("turn", number=event.turn, first_sound_ms=round(event.first_sound * 1000))

    return observe
