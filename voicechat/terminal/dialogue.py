"""A caller with a script: asks, waits for the answer or interrupts it, and keeps account of every turn."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from voicechat.audio import AudioFrame
from voicechat.errors import VoicechatError
from voicechat.terminal.caller import Caller

ANSWER_SECONDS: Final = 20.0
"""An answer that has not begun, or not ended, by then is missing."""
PAUSE_SECONDS: Final = 0.8
"""Between an answer and the next question."""


@dataclass(frozen=True, slots=True)
class Question:
    """`cut_after` seconds into its answer the next question is asked; None: the answer is heard to its end."""

    words: str
    sound: AudioFrame
    cut_after: float | None = None


@dataclass(slots=True)
class Turn:
    """What came of a question. `at` is when it was asked, in seconds of the call; `latency` the server's own times."""

    question: Question
    at: float = 0.0
    understood: str | None = None
    audible: bool = False
    latency: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    answer: str = ""
    over: bool = False


class Dialogue:
    """One scripted call. `tell` is given each line as it is said: who, and what."""

    def __init__(self, caller: Caller, tell: Callable[[str, str], None]) -> None:
        self.turns: list[Turn] = []
        self._caller = caller
        self._tell = tell
        self._changed = asyncio.Event()

    async def hold(self, questions: Sequence[Question]) -> None:
        """Raises VoicechatError when a question is not answered, or the cut one is not cut."""
        following = asyncio.create_task(self._follow())
        try:
            await self._caller.send(
                {"type": "session.update", "session": {"type": "realtime", "include": ["voicechat.latency"]}}
            )
            for question in questions:
                await self._ask(question)
        finally:
            following.cancel()
            await asyncio.wait([following])
        for turn in self.turns:
            wanted = "completed" if turn.question.cut_after is None else "cancelled"
            if turn.status != wanted:
                raise _missing(turn, f"its answer was {turn.status or 'missing'}, not {wanted}")

    async def _ask(self, question: Question) -> None:
        turn = Turn(question)
        self.turns.append(turn)
        self._tell("caller", question.words)
        turn.at = await self._caller.say(question.sound.samples, question.sound.rate)
        await self._until(turn, lambda: turn.audible, "it was not answered")
        if question.cut_after is None:
            await self._until(turn, lambda: turn.over, "its answer did not end")
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            await asyncio.sleep(question.cut_after)

    async def _until(self, turn: Turn, reached: Callable[[], bool], otherwise: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not reached():
                    if self._caller.over:
                        raise _missing(turn, "the server hung up")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise _missing(turn, otherwise) from None

    async def _follow(self) -> None:
        async for event in self._caller.events():
            self._heed(event)
            self._changed.set()
        self._changed.set()

    def _heed(self, event: dict[str, Any]) -> None:
        """The first turn that has not had it yet is the one it belongs to: both sides keep their order."""
        match event["type"]:
            case "conversation.item.input_audio_transcription.completed":
                if turn := self._first(lambda turn: turn.understood is None):
                    turn.understood = event["transcript"]
                    self._tell("understood", turn.understood or "(nothing)")
            case "output_audio_buffer.started":
                if turn := self._first(lambda turn: not turn.audible):
                    turn.audible = True
            case "voicechat.latency":
                if turn := self._first(lambda turn: not turn.latency):
                    turn.latency = event
            case "response.done":
                self._finish(event["response"])
            case "output_audio_buffer.stopped" | "output_audio_buffer.cleared":
                if turn := self._first(lambda turn: not turn.over):
                    turn.over = True
            case "error":
                self._tell("error", event["error"]["message"])

    def _finish(self, response: dict[str, Any]) -> None:
        if turn := self._first(lambda turn: not turn.status):
            turn.status = response["status"]
            contents = [content for item in response["output"] for content in item.get("content", ())]
            turn.answer = " ".join(content.get("transcript") or "" for content in contents)
            self._tell("server", turn.answer + (" ... (interrupted)" if turn.status == "cancelled" else ""))
        if response["status"] == "failed":
            self._tell("error", response["status_details"]["error"]["message"])

    def _first(self, lacks: Callable[[Turn], bool]) -> Turn | None:
        return next((turn for turn in self.turns if lacks(turn)), None)


def _missing(turn: Turn, reason: str) -> VoicechatError:
    return VoicechatError("not_answered", f"'{turn.question.words}': {reason}")
