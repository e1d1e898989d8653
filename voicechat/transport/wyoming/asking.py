"""One question to the agent, answered in text by a session of its own."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.commands import AddItem, Ask, Command
from voicechat.conversation import Item
from voicechat.echo.reverberation import Played
from voicechat.errors import AgentError
from voicechat.events import Event, Failed, ReplyFinished, ReplyStarted, ReplyStatus, ReplyText
from voicechat.protocols import Heard, Reception, SpeechChunk
from voicechat.transport.media.microphone import Microphone

_LEAVING: Final = 2.0
"""Seconds for a session to end once its answer is there, or nobody wants it any more."""


class TextPeer:
    """Somebody who types one question and reads the answer; see `protocols.Peer`. There is no sound either way."""

    dropped = 0.0
    left = 0.0
    levels: Sequence[Played] = ()

    def __init__(self, past: Sequence[Item], question: str) -> None:
        self._microphone = Microphone(LISTEN_RATE, fill=0.0)
        for item in past:
            self._microphone.ask(AddItem(item))
        self._microphone.ask(Ask(question, speaks=False))
        self._reply = ""  # the answer; a greeting that we begin with is spoken, so it is none
        self._said: list[str] = []  # not read yet
        self._over = False
        self._failure: AgentError | None = AgentError("not_answered", "the session ended before there was an answer")
        self._changed = asyncio.Event()

    async def answer(self) -> AsyncGenerator[str]:
        """The words as they come. Raises AgentError."""
        while self._said or not self._over:
            if self._said:
                said, self._said = "".join(self._said), []
                yield said
            else:
                self._changed.clear()
                await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def notify(self, event: Event) -> None:
        match event:
            case ReplyStarted(speaks=False) if not self._reply:
                self._reply = event.reply
            case ReplyText() if event.reply == self._reply:
                self._said.append(event.delta)
            case Failed() if event.reply in (None, self._reply) and not self._over:
                self._failure = AgentError(event.code, event.message)
            case ReplyFinished() if event.reply == self._reply:
                made = event.status in (ReplyStatus.COMPLETED, ReplyStatus.INCOMPLETE)
                why = event.message or "the answer was broken off"
                self._failure = None if made else AgentError(event.reason or "not_answered", why)
                self.hang_up()
        self._changed.set()

    def hang_up(self) -> None:
        """There will be no more words."""
        self._over = True
        self._microphone.close()
        self._changed.set()

    def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        return self._microphone.incoming()

    async def play(self, chunk: SpeechChunk) -> None:
        pass

    async def audible(self, turn: int) -> float:
        return asyncio.get_running_loop().time()

    async def drain(self, turn: int) -> Heard:
        return Heard()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def duck(self, decibels: float) -> None:
        pass

    def cut(self, turn: int) -> Heard:
        return Heard()


async def answered(reception: Reception, past: Sequence[Item], question: str) -> AsyncGenerator[str]:
    """The agent's words as they come, after what is `past`. Closing it ends the session.

    Raises NoRoom and AgentError.
    """
    with reception.admit() as session:
        peer = TextPeer(past, question)
        serving = asyncio.create_task(reception.serve(session, peer))
        serving.add_done_callback(lambda _: peer.hang_up())
        try:
            async for words in peer.answer():
                yield words
        finally:
            peer.hang_up()
            await asyncio.wait({serving}, timeout=_LEAVING)
            serving.cancel()
