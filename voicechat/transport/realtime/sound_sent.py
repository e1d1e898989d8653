"""How much sound of each answer a client was sent, and how much of it may be said to have been heard. No I/O."""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from voicechat.commands import TruncateItem
from voicechat.errors import BadMessage
from voicechat.transport.realtime.formats import milliseconds

REMEMBERED: Final = 20
"""Answers of which it is known how much sound they had."""

LENIENCE: Final = 1.0
"""Seconds by which a client may have counted more sound than it was sent."""


class SoundSent:
    """Of one client's answers, by their items."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[str, float] = OrderedDict()

    def count(self, item: str, seconds: float) -> None:
        """So much more."""
        self._seconds[item] = self._seconds.get(item, 0.0) + seconds
        while len(self._seconds) > REMEMBERED:
            self._seconds.popitem(last=False)

    def truncation(self, command: TruncateItem) -> TruncateItem:
        """At the end of the sound, where the client has counted a little more. Raises BadMessage for much more."""
        sent = self._seconds.get(command.item)
        if sent is None or command.end <= sent:
            return command
        if command.end > sent + LENIENCE:
            text = f"audio_end_ms: {command.item} has {milliseconds(sent)} ms of sound"
            raise BadMessage("invalid_value", text, param="audio_end_ms", event_id=command.event_id)
        return replace(command, end=sent)
