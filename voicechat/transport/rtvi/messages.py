"""What clients of RTVI say: one message becomes one command, or none. No I/O."""

import itertools
import json
from typing import Final

from voicechat.commands import AddItem, Ask, Command, GiveResult, HangUp
from voicechat.conversation import Item, Role
from voicechat.errors import BadMessage
from voicechat.transport.fields import Fields

MAJORS: Final = (1, 2)
"""Versions of the protocol that are spoken."""

_ELSEWHERE: Final = {
    "client-message": "there is no program behind this bot that takes messages of your own",
    "raw-audio": "sound of a WebRTC call comes on its audio track",
    "raw-audio-batch": "sound of a WebRTC call comes on its audio track",
}


class RtviMessages:
    """Reads one client's messages, but for client-ready, which asks for nothing."""

    def __init__(self) -> None:
        self._items = itertools.count(1)

    def read(self, kind: str, data: Fields) -> Command:
        """Raises BadMessage, for kinds that we do not know as well."""
        match kind:
            case "send-text":
                return self._text(data)
            case "append-to-context":
                return self._append(data)
            case "llm-function-call-result":
                return _result(data)
            case "disconnect-bot":
                return HangUp(event_id=data.event_id)
        why = _ELSEWHERE.get(kind, f"messages of type {kind[:80]!r} are not understood")
        raise BadMessage("unknown_event", why, event_id=data.event_id)

    def _text(self, data: Fields) -> Command:
        content = data.text("content")
        options = data.inner("options") if data.has("options") else Fields({}, "options", data.event_id)
        speaks = options.flag("audio_response") if options.has("audio_response") else True
        if options.has("run_immediately") and not options.flag("run_immediately"):
            return AddItem(self._item(Role.USER, content), event_id=data.event_id)
        return Ask(content, None if speaks else False, event_id=data.event_id)


    def _append(self, data: Fields) -> Command:
        """What clients of version 1 say for `send-text`; they also add lines of the bot's."""
        role = Role(data.one_of("role", "user", "assistant"))
        content = data.text("content")
        runs = data.has("run_immediately") and data.flag("run_immediately")
        if not runs:
            return AddItem(self._item(role, content), event_id=data.event_id)
        if role is not Role.USER:
            data.refuse("run_immediately", "only what the user says is answered")
        return Ask(content, event_id=data.event_id)

    def _item(self, role: Role, text: str) -> Item:
        return Item(f"item_rtvi_{next(self._items)}", role, text)


def version(data: Fields) -> tuple[int, str]:
    """The client's major version and its whole version. Raises BadMessage for one that we do not speak."""
    told = data.text("version", longest=32)
    major = told.partition(".")[0]
    if not major.isascii() or not major.isdecimal() or int(major) not in MAJORS:
        data.refuse("version", f"{told!r} is not compatible: 2.1.0 is spoken here")
    return int(major), told


def _result(data: Fields) -> Command:
    """A result that is no text is given to the agent as JSON."""
    result = data.values.get("result")
    output = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return GiveResult(data.name_of("tool_call_id"), output, event_id=data.event_id)
