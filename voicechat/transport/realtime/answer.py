"""One answer as the realtime protocol tells it, from response.created to response.done. No I/O."""

import base64

from voicechat.audio import Samples
from voicechat.conversation import Item
from voicechat.events import ReplyAudible, ReplyCalled, ReplyFinished, ReplyStarted, ReplyStatus, ReplyText, ToolEnded
from voicechat.transport.realtime import items, response_object
from voicechat.transport.realtime.formats import Writer
from voicechat.transport.realtime.items import Message


class Answer:
    """Says what happens to one answer.

    Its message is told of when the first words come: an answer that only calls tools has none. `voice` is what the
    client calls who speaks; `is_speaker` says that the server itself plays the sound (WebRTC).
    """

    def __init__(self, started: ReplyStarted, *, conversation: str, voice: str, is_speaker: bool) -> None:
        self.started = started
        self._response = response_object.started(started, conversation=conversation, voice=voice)
        self._is_speaker = is_speaker
        self._audible = False
        self._writer = Writer(started.plays)
        self._output: list[str] = []
        """The ids of the items that have been told of; their places are what the protocol calls output_index."""
        self._calls: dict[str, Message] = {}
        """Finished items of calls, by their id."""
        self._ours: dict[str, Message] = {}
        """Calls that tools of this house are working on, by the call's id."""

    def begin(self) -> list[Message]:
        """Nothing is limited here, but some clients wait to be told."""
        return [
            {"type": "response.created", "response": self._response},
            {"type": "rate_limits.updated", "rate_limits": []},
        ]

    def sound(self, samples: Samples) -> list[Message]:
        """(n,) samples at 24 kHz."""
        return [*self._open(), *self._delta(self._writer.push(samples))]

    def text(self, event: ReplyText) -> list[Message]:
        kind = "output_audio_transcript" if self.started.speaks else "output_text"
        return [*self._open(), {"type": f"response.{kind}.delta", **self._where, "delta": event.delta}]

    def audible(self, event: ReplyAudible) -> list[Message]:
        self._audible = True
        return [*self._open(), *self._speaker("started")]

    def called(self, event: ReplyCalled) -> list[Message]:
        """A tool of the client's is called; all of it is known at once."""
        opened = self._open() if event.index else []
        item = items.write(event.item)
        place = self._place(event.item.id)
        self._calls[event.item.id] = item
        where: Message = {**place, "item_id": event.item.id, "call_id": event.item.call}
        arguments = "response.function_call_arguments"
        return [
            *opened,
            *self._added(event.item, event.previous),
            {"type": f"{arguments}.delta", **where, "delta": event.item.text},
            {"type": f"{arguments}.done", **where, "name": event.item.name, "arguments": event.item.text},
            *self._done(item, event.previous),
        ]

    def working(self, event: ReplyCalled) -> list[Message]:
        """A tool of this house is called, of a server that the client asked for."""
        called = event.item
        item: Message = {
            "id": called.id,
            "type": "mcp_call",
            "server_label": event.ours,
            "name": called.name,
            "arguments": called.text,
            "output": None,
            "error": None,
        }
        place = self._place(called.id)
        self._ours[called.call] = self._calls[called.id] = item
        where: Message = {**place, "item_id": called.id}
        call = "response.mcp_call"
        return [
            {"type": "response.output_item.added", **place, "item": {**item, "arguments": ""}},
            {"type": f"{call}.in_progress", "output_index": place["output_index"], "item_id": called.id},
            {"type": f"{call}_arguments.delta", **where, "delta": called.text},
            {"type": f"{call}_arguments.done", **where, "arguments": called.text},
        ]

    def worked(self, event: ToolEnded) -> list[Message]:
        """It has ended; nothing is told of one that was not told of before."""
        item = self._ours.pop(event.call, None)
        if item is None:
            return []
        if event.failed:
            item["error"] = {"type": "tool_execution_error", "message": event.output}
        else:
            item["output"] = event.output
        place = self._place(str(item["id"]))
        end = "failed" if event.failed else "completed"
        return [
            {"type": f"response.mcp_call.{end}", "output_index": place["output_index"], "item_id": item["id"]},
            {"type": "response.output_item.done", **place, "item": item},
        ]

    def finish(self, event: ReplyFinished) -> list[Message]:
        """`event.text` closes what the deltas opened; the items have what was heard of it."""
        told: list[Message] = []
        if event.text.strip() or not event.calls:
            told = self._open()  # who joined late has not been told of the words
        message = self.started.item.id
        finished = dict(self._calls)
        if message in self._output:
            finished[message] = items.write(event.item)
            rest = b"" if event.status is ReplyStatus.CANCELLED else self._writer.finish()
            told += [*self._delta(rest), *self._end_parts(event.text)]
            told += self._done(finished[message], self.started.previous)
        output = [finished[id] for id in self._output]
        told.append({"type": "response.done", "response": response_object.finished(self._response, event, output)})
        return [*told, *self._speaker("cleared" if event.status is ReplyStatus.CANCELLED else "stopped")]

    def _open(self) -> list[Message]:
        """The message begins, if it has not."""
        started = self.started
        if started.item.id in self._output:
            return []
        self._place(started.item.id)
        part = {"type": "response.content_part.added", **self._where, "part": self._part("")}
        return [*self._added(started.item, started.previous), part]

    def _end_parts(self, text: str) -> list[Message]:
        ends: list[Message] = [{"type": "response.output_text.done", **self._where, "text": text}]
        if self.started.speaks:
            ends = [
                {"type": "response.output_audio.done", **self._where},
                {"type": "response.output_audio_transcript.done", **self._where, "transcript": text},
            ]
        return [*ends, {"type": "response.content_part.done", **self._where, "part": self._part(text)}]

    def _delta(self, sound: bytes) -> list[Message]:
        if not sound:
            return []
        return [
            {"type": "response.output_audio.delta", **self._where, "delta": base64.b64encode(sound).decode("ascii")}
        ]

    def _added(self, item: Item, previous: str | None) -> list[Message]:
        return self._tell_item("added", items.begun(item), previous)

    def _done(self, item: Message, previous: str | None) -> list[Message]:
        return self._tell_item("done", item, previous)

    def _tell_item(self, change: str, item: Message, previous: str | None) -> list[Message]:
        """In the answer and, if it enters that, in the conversation."""
        told: list[Message] = [
            {"type": f"response.output_item.{change}", **self._place(str(item["id"])), "item": item}
        ]
        if self.started.stored:
            told.append({"type": f"conversation.item.{change}", "previous_item_id": previous, "item": item})
        return told

    def _place(self, id: str) -> Message:
        """Where the item stands in the answer; a new one comes last."""
        if id not in self._output:
            self._output.append(id)
        return {"response_id": self.started.reply, "output_index": self._output.index(id)}

    @property
    def _where(self) -> Message:
        id = self.started.item.id
        return {**self._place(id), "item_id": id, "content_index": 0}

    def _part(self, text: str) -> Message:
        return {"type": "audio", "transcript": text} if self.started.speaks else {"type": "text", "text": text}

    def _speaker(self, change: str) -> list[Message]:
        if not (self._is_speaker and self._audible):
            return []
        return [{"type": f"output_audio_buffer.{change}", "response_id": self.started.reply}]
