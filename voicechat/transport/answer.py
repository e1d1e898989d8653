"""One answer as the realtime protocol tells it, from response.created to response.done. No I/O."""

import base64

from voicechat.audio import Samples
from voicechat.conversation import Item, Role
from voicechat.events import ReplyAudible, ReplyFinished, ReplyStarted, ReplyStatus, ReplyText
from voicechat.transport.session_object import modalities, pcm

Message = dict[str, object]
"""A server event; the wire adds its event_id."""


class Answer:
    """Says what happens to one answer.

    `metadata` is what the client attached when it asked; `plays` says that the server itself is the speaker (WebRTC).
    """

    def __init__(
        self, started: ReplyStarted, *, conversation: str, voice: str, plays: bool, metadata: object = None
    ) -> None:
        self.started = started
        self._conversation, self._voice, self._plays, self._metadata = conversation, voice, plays, metadata
        self._audible = False
        self._where: Message = {
            "response_id": started.reply, "item_id": started.item.id, "output_index": 0, "content_index": 0
        }  # fmt: skip

    def begin(self) -> list[Message]:
        started = self.started
        item = {**write_item(started.item), "content": []}
        return [
            {"type": "response.created", "response": self._response("in_progress")},
            {"type": "response.output_item.added", "response_id": started.reply, "output_index": 0, "item": item},
            {"type": "conversation.item.added", "previous_item_id": started.previous, "item": item},
            {"type": "response.content_part.added", **self._where, "part": self._part("")},
        ]

    def sound(self, samples: Samples) -> Message:
        """(n,) samples at 24 kHz."""
        delta = base64.b64encode(samples.astype("<i2", copy=False).tobytes()).decode("ascii")
        return {"type": "response.output_audio.delta", **self._where, "delta": delta}

    def text(self, event: ReplyText) -> list[Message]:
        kind = "output_audio_transcript" if self.started.speaks else "output_text"
        return [{"type": f"response.{kind}.delta", **self._where, "delta": event.delta}]

    def audible(self, event: ReplyAudible) -> list[Message]:
        self._audible = True
        return self._speaker("started")

    def finish(self, event: ReplyFinished) -> list[Message]:
        """`event.text` closes what the deltas opened; the items have what was heard of it."""
        started, item = self.started, write_item(event.item)
        if started.speaks:
            ends: list[Message] = [
                {"type": "response.output_audio.done", **self._where},
                {"type": "response.output_audio_transcript.done", **self._where, "transcript": event.text},
            ]
        else:
            ends = [{"type": "response.output_text.done", **self._where, "text": event.text}]
        response = self._response(str(event.status), output=[item], details=_details(event), usage=_no_tokens())
        return [
            *ends,
            {"type": "response.content_part.done", **self._where, "part": self._part(event.text)},
            {"type": "response.output_item.done", "response_id": started.reply, "output_index": 0, "item": item},
            {"type": "conversation.item.done", "previous_item_id": started.previous, "item": item},
            {"type": "response.done", "response": response},
            *self._speaker("cleared" if event.status is ReplyStatus.CANCELLED else "stopped"),
        ]

    def _speaker(self, change: str) -> list[Message]:
        if not (self._plays and self._audible):
            return []
        return [{"type": f"output_audio_buffer.{change}", "response_id": self.started.reply}]

    def _part(self, text: str) -> Message:
        return {"type": "audio", "transcript": text} if self.started.speaks else {"type": "text", "text": text}

    def _response(
        self,
        status: str,
        *,
        output: list[Message] | None = None,
        details: Message | None = None,
        usage: Message | None = None,
    ) -> Message:
        return {
            "object": "realtime.response",
            "id": self.started.reply,
            "status": status,
            "status_details": details,
            "output": output or [],
            "conversation_id": self._conversation,
            "output_modalities": modalities(self.started.speaks),
            "max_output_tokens": "inf",
            "audio": {"output": {"format": pcm(), "voice": self._voice}},
            "usage": usage,
            "metadata": self._metadata,
        }


def write_item(item: Item) -> Message:
    """Sound is never repeated in an item; its words are, once they are known."""
    side = "output" if item.role is Role.ASSISTANT else "input"
    content: Message
    if item.spoken:
        content = {"type": f"{side}_audio", "transcript": item.text or None}
    else:
        content = {"type": f"{side}_text", "text": item.text}
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": "message",
        "role": str(item.role),
        "status": str(item.status),
        "content": [content],
    }


def _details(event: ReplyFinished) -> Message | None:
    match event.status:
        case ReplyStatus.COMPLETED:
            return None
        case ReplyStatus.CANCELLED:
            return {"type": "cancelled", "reason": event.reason}
        case ReplyStatus.INCOMPLETE:
            return {"type": "incomplete", "reason": event.reason}
        case ReplyStatus.FAILED:
            error = {"type": "server_error", "code": event.reason, "message": event.message}
            return {"type": "failed", "error": error}


def _no_tokens() -> Message:
    """Nothing is counted or charged here, but clients add these numbers up."""
    return {
        "total_tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
    }
