"""One program that speaks Wyoming: its events are worked off one after the other, until it leaves.

A program that leaves stops what is made for it. After a failure the connection is closed, as Home Assistant waits for
nothing else; a question without an answer is `not-handled`.
"""

import asyncio
import secrets
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from voicechat.config import Settings
from voicechat.errors import AdapterError, AgentError, BadMessage, NoRoom, VoicechatError
from voicechat.protocols import Reception, Studio
from voicechat.transport.fields import Fields
from voicechat.transport.wyoming.asking import answered
from voicechat.transport.wyoming.events import Event, encode, header
from voicechat.transport.wyoming.info import info
from voicechat.transport.wyoming.listening import Listening
from voicechat.transport.wyoming.memory import Memory
from voicechat.transport.wyoming.speaking import Speaking

REST: Final = 300.0
"""Seconds that a program may be silent, if it is owed nothing."""

PAUSE: Final = 60.0
"""Seconds that it may be silent in the middle of a recording or a text."""

STALL: Final = 30.0
"""Seconds after which a program that takes nothing does not read; one that plays as it reads may take its time."""

ANSWER: Final = 120.0
"""Seconds for a whole answer."""

LONGEST: Final = 8_192
"""Characters of a question."""

_WAITING: Final = 8
"""Events that are read and not worked off."""

_CLOSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rooms:
    """What of the house connections share."""

    settings: Settings
    reception: Reception
    studio: Studio
    memory: Memory


class Connection:
    """`run` is its life. On the loop."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, rooms: Rooms) -> None:
        self._reader, self._writer, self._rooms = reader, writer, rooms
        self._listening = Listening(rooms.studio, rooms.settings.names.models, self._send)
        self._speaking = Speaking(rooms.studio, rooms.settings.names.voices, self._send)
        self._events: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        self._name = secrets.token_hex(8)  # of its conversation, where it names none itself

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._read()), group.create_task(self._work())]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
        finally:
            self._rooms.memory.forget(self._name)
            await self._close()

    async def _read(self) -> None:
        """Until the program leaves, or sends what is no event."""
        with suppress(IncompleteReadError, ConnectionError):
            try:
                while True:
                    about = header(await self._reader.readuntil(b"\n"))
                    data = await self._reader.readexactly(about.data_length)
                    await self._events.put(about.event(data, await self._reader.readexactly(about.payload_length)))
            except LimitOverrunError:
                await self._fail(BadMessage("message_too_large", "an event's line is too long"))
            except BadMessage as error:
                await self._fail(error)

    async def _work(self) -> None:
        """Until something fails, or nothing comes."""
        with suppress(ConnectionError, TimeoutError):
            try:
                while True:
                    async with asyncio.timeout(PAUSE if self._listening.open or self._speaking.open else REST):
                        event = await self._events.get()
                    await self._take(event)
            except (BadMessage, NoRoom, AdapterError) as error:
                await self._fail(error)
            finally:
                self._speaking.close()
                await self._listening.close()

    async def _take(self, event: Event) -> None:
        """Events that we do not know are dropped, as the protocol has it."""
        data = Fields(event.data)
        match event.type:
            case "describe":
                await self._send(info(self._rooms.studio))
            case "ping":
                await self._send(Event("pong", {"text": event.data.get("text")}))
            case "transcribe":
                self._listening.transcribe(data)
            case "audio-start":
                await self._listening.start()
            case "audio-chunk":
                await self._listening.chunk(data, event.payload)
            case "audio-stop":
                await self._listening.stop()
            case "synthesize":
                await self._speaking.synthesize(data)
            case "synthesize-start":
                await self._speaking.start(data)
            case "synthesize-chunk":
                await self._speaking.chunk(data)
            case "synthesize-stop":
                await self._speaking.stop()
            case "transcript":
                await self._answer(data)

    async def _answer(self, asked: Fields) -> None:
        """A question is answered, in whole as well as in parts; what is said where that fails is an apology."""
        question = asked.text("text", longest=LONGEST)
        context = asked.inner("context") if asked.has("context") else Fields({})
        name = context.name_of("conversation_id") if context.has("conversation_id") else self._name
        about = {"context": context.values} if context.values else {}
        said: list[str] = []
        try:
            async with asyncio.timeout(ANSWER):
                past = self._rooms.memory.recall(name)
                async with aclosing(answered(self._rooms.reception, past, question)) as answer:
                    async for words in answer:
                        if not said:
                            await self._send(Event("handled-start", about))
                        said.append(words)
                        await self._send(Event("handled-chunk", {"text": words}))
        except (NoRoom, AgentError) as error:
            await self._send(Event("not-handled", {"text": "".join(said).strip() or error.message, **about}))
        except TimeoutError:
            await self._send(Event("not-handled", {"text": f"there was no answer within {ANSWER:g} s", **about}))
        else:
            text = "".join(said).strip()
            self._rooms.memory.keep(name, question, text)
            await self._send(Event("handled", {"text": text, **about}))
        if said:
            await self._send(Event("handled-stop"))

    async def _send(self, event: Event) -> None:
        """Raises TimeoutError and ConnectionError."""
        self._writer.write(encode(event))
        async with asyncio.timeout(STALL):
            await self._writer.drain()

    async def _fail(self, error: VoicechatError) -> None:
        with suppress(TimeoutError):
            await self._send(Event("error", {"text": error.message, "code": error.code}))

    async def _close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE):
                await self._writer.wait_closed()
        except ConnectionError:
            return
        except TimeoutError:
            self._writer.transport.abort()  # what it does not read would hold the line open
