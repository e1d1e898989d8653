"""Who follows a call beside its caller: programs that are told all that happens, and may ask for something."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from voicechat.commands import Command
from voicechat.errors import NoRoom, PeerError
from voicechat.events import (
    Event,
    Failed,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
)

MOST: Final = 8
"""Followers of one call."""

_MARK: Final = "\0"
"""Between a follower's name and its own id of a command."""

Observer = Callable[[Event], None]


class Following:
    """One call's followers. On the loop; nothing here waits.

    Each is told first how things stand: the session with its present settings, and what has been said of answers that
    are being made.
    """

    def __init__(self) -> None:
        self._followers: dict[str, Observer] = {}
        self._named = 0
        self._session: SessionStarted | None = None
        self._answers: dict[str, list[Event]] = {}
        self._over = False

    def join(self, observe: Observer) -> str:
        """The follower's name. Raises NoRoom, and PeerError when the session is over."""
        if self._over:
            raise PeerError("call_id_not_found", "This call is over.")
        if len(self._followers) >= MOST:
            raise NoRoom(f"{MOST} programs follow this call already")
        self._named += 1
        name = f"follower_{self._named}"
        self._followers[name] = observe
        if self._session is not None:
            observe(self._session)
        for events in self._answers.values():
            for event in events:
                observe(event)
        return name

    def leave(self, name: str) -> None:
        self._followers.pop(name, None)

    def mark(self, name: str, command: Command) -> Command:
        """A follower's command, so that what goes wrong with it is told to nobody else."""
        return replace(command, event_id=f"{name}{_MARK}{command.event_id or ''}")

    def tell(self, event: Event) -> bool:
        """Tells followers; whether it concerns the caller as well."""
        self._remember(event)
        if isinstance(event, Failed) and event.event_id is not None:
            name, _, id = event.event_id.partition(_MARK)
            if name not in self._followers:
                return _MARK not in event.event_id
            self._followers[name](replace(event, event_id=id or None))
            return False
        for observe in list(self._followers.values()):
            observe(event)
        return True

    def close(self) -> None:
        """The call is over, however its session has ended."""
        if not self._over:
            self.tell(SessionEnded(self._session.session if self._session else "", "failed"))

    def _remember(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self._session = event
            case SettingsChanged() if self._session is not None:
                self._session = replace(self._session, settings=event.settings)
            case SessionEnded():
                self._over = True
            case ReplyStarted():
                self._answers[event.reply] = [event]
            case ReplyFinished():
                self._answers.pop(event.reply, None)
            case ReplyText() | ReplyAudible() | ReplyPaused() | ReplyResumed() | ReplyCalled():
                _add(self._answers.get(event.reply, []), event)


def _add(events: list[Event], event: Event) -> None:
    """One more event of an answer; words join those before them."""
    last = events[-1] if events else None
    if isinstance(event, ReplyText) and isinstance(last, ReplyText):
        events[-1] = replace(last, delta=last.delta + event.delta)
    elif isinstance(event, ReplyResumed) and isinstance(last, ReplyPaused):
        events.pop()
    else:
        events.append(event)
