"""Items of the conversation as clients give them: messages of several parts, calls of tools and outputs. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import AudioFrame
from voicechat.conversation import Codec, Item, ItemStatus, Kind, Picture, Role
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import formats, pictures

LONGEST_NAME: Final = 128
"""Characters of a tool's name."""

MOST_PICTURES: Final = 3
"""In one item: as many as a conversation remembers."""

MOST_SECONDS: Final = 30.0
"""Of sound in one item: as long as a spoken utterance may be, by default."""

_PARTS: Final = {
    Role.SYSTEM: ("input_text", "text"),
    Role.USER: ("input_text", "input_audio", "input_image", "text"),
    Role.ASSISTANT: ("output_text", "output_audio", "text", "audio"),
}
"""Of a message's content, by who said it. `text` and `audio` are the names of the beta, which some clients kept."""

_MCP: Final = ("mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools")


@dataclass(frozen=True, slots=True)
class Senses:
    """What is understood beside words: sound that is written as `hears` says, if any, and pictures, unless `blind` says
    why not."""

    hears: Codec | None
    blind: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a client wants in the history, and sound of which the words are not known yet."""

    item: Item
    sound: AudioFrame | None = None


def read(fields: Fields, new_id: Callable[[], str], senses: Senses) -> Given:
    """An item; where the client gives no id, a new one is taken. Raises BadMessage."""
    kind = fields.text("type")
    if kind in _MCP:
        fields.refuse("type", "tools of MCP servers are run by this server without asking", "unsupported_content")
    kind = Kind(fields.one_of("type", *Kind))
    id = fields.name_of("id") if fields.has("id") else new_id()
    status = ItemStatus(fields.one_of("status", *ItemStatus)) if fields.has("status") else ItemStatus.COMPLETED
    match kind:
        case Kind.CALL:
            call = fields.name_of("call_id") if fields.has("call_id") else f"call_{id}"
            arguments = fields.text("arguments").strip() or "{}"
            name = fields.text("name", longest=LONGEST_NAME)
            return Given(Item(id, Role.ASSISTANT, arguments, status=status, kind=kind, call=call, name=name))
        case Kind.OUTPUT:
            output, call = fields.text("output"), fields.name_of("call_id")
            return Given(Item(id, Role.USER, output, status=status, kind=kind, call=call))
        case Kind.MESSAGE:
            return _read_message(fields, id, status, senses)


def _read_message(fields: Fields, id: str, status: ItemStatus, senses: Senses) -> Given:
    """The words of several parts become one text, a line each; their sound becomes one."""
    role = Role(fields.one_of("role", *Role))
    parts = fields.inners("content")
    if not parts:
        fields.refuse("content", "this field is required", "missing_field")
    texts: list[str] = []
    sounds: list[AudioFrame] = []
    seen: list[Picture] = []
    for part in parts:
        kind = part.one_of("type", *_PARTS[role])
        if kind == "input_image":
            seen.append(_read_picture(part, senses))
        elif not kind.endswith("audio"):
            texts.append(part.text("text"))
        elif part.has("transcript"):
            texts.append(part.text("transcript"))
        else:
            sounds.append(_read_sound(part, senses.hears))
    spoken = any(part.text("type").endswith("audio") for part in parts)
    if len(seen) > MOST_PICTURES:
        fields.refuse("content", f"at most {MOST_PICTURES} pictures are taken")
    item = Item(id, role, "\n".join(text for text in texts if text), spoken, status, pictures=tuple(seen))
    return Given(item, _joined(sounds, fields))


def _read_picture(part: Fields, senses: Senses) -> Picture:
    if senses.blind:
        part.refuse("type", senses.blind, "unsupported_content")
    return pictures.read(part)


def _read_sound(part: Fields, hears: Codec | None) -> AudioFrame:
    if hears is None or not part.has("audio"):
        text = "its transcript is expected" if hears is None else "its audio or its transcript is expected"
        part.refuse("type", text, "unsupported_content")
    return formats.read_sound(part, hears) or part.refuse("audio", "there is no sound in it")


def _joined(sounds: list[AudioFrame], message: Fields) -> AudioFrame | None:
    if not sounds:
        return None
    sound = AudioFrame(np.concatenate([each.samples for each in sounds]), sounds[0].rate)
    if sound.seconds > MOST_SECONDS:
        message.refuse("content", f"at most {MOST_SECONDS:g} s of sound are understood", "audio_too_long")
    return sound
