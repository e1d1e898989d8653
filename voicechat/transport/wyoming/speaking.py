"""Text that comes in events, and its sound: synthesize at once, or synthesize-start, -chunk and -stop as it is made."""

from collections.abc import Mapping
from contextlib import ExitStack, aclosing
from typing import Final

from voicechat.audio import AudioFrame
from voicechat.errors import AdapterError
from voicechat.protocols import Job, Outcome, Studio
from voicechat.protocols.studio import Kind
from voicechat.transport import names
from voicechat.transport.fields import Fields
from voicechat.transport.wyoming.events import Event
from voicechat.transport.wyoming.listening import Send
from voicechat.words.sentences import Clauses

LONGEST: Final = 16_384
"""Characters of a text, in however many pieces it comes."""

_PIECE: Final = 0.1
"""Seconds of sound in an event."""

_RATE: Final = 24_000
"""Of the sound of a text in which there is nothing to say."""


class Speaking:
    """The texts of one connection, one after the other. `close` it in any case.

    Each method takes the event of its name. Raises BadMessage, NoRoom, AdapterError.
    """

    def __init__(self, studio: Studio, voices: Mapping[str, str], send: Send) -> None:
        self._studio, self._voices, self._send = studio, voices, send
        self._clauses: Clauses | None = None  # of a text that comes in pieces
        self._held = ExitStack()
        self._job = Job()
        self._voice = ""
        self._length = 0
        self._sounds = False

    @property
    def open(self) -> bool:
        return self._clauses is not None

    async def synthesize(self, wish: Fields) -> None:
        """Within a text that comes in pieces this is the whole of it again, for servers that know no pieces."""
        if self._clauses is not None:
            return
        self._read(wish)
        text = wish.text("text", longest=LONGEST)
        with self._studio.admit(Kind.SPEECH):
            await self._say(text)
            await self._fall_silent()

    async def start(self, wish: Fields) -> None:
        self.close()
        self._read(wish)
        self._job = self._held.enter_context(self._studio.admit(Kind.SPEECH))
        self._job.outcome = Outcome.LEFT  # until it is spoken
        self._clauses, self._length = Clauses(), 0

    async def chunk(self, piece: Fields) -> None:
        """Pieces of no text are dropped."""
        if self._clauses is None:
            return
        text = piece.text("text")
        self._length += len(text)
        if self._length > LONGEST:
            piece.refuse("text", f"at most {LONGEST} characters are allowed in all")
        for clause in self._clauses.push(text):
            await self._say(clause)

    async def stop(self) -> None:
        if self._clauses is None:
            return
        for clause in self._clauses.finish():
            await self._say(clause)
        await self._fall_silent()
        await self._send(Event("synthesize-stopped"))
        self._job.outcome = Outcome.DONE
        self.close()

    def close(self) -> None:
        self._clauses = None
        self._sounds = False
        self._held.close()

    def _read(self, wish: Fields) -> None:
        """The voice of that name; or else the first one of that language; or else the default."""
        if wish.has("text_format") and wish.text("text_format") != "text":
            wish.refuse("text_format", "allowed: text")
        asked = wish.inner("voice") if wish.has("voice") else Fields({})
        name = asked.text("name", longest=128) if asked.has("name") else ""
        language = asked.text("language", longest=64) if asked.has("language") else ""
        self._voice = names.voice(name, "", self._voices)
        if not self._studio.has(self._voice):
            self._voice = ""
        if not self._voice and language:
            known = (voice.name for voice in self._studio.voices if _same(voice.language, language))
            self._voice = next(known, "")

    async def _say(self, text: str) -> None:
        try:
            async with aclosing(self._studio.speak(text, self._voice, 1.0)) as frames:
                async for frame in frames:
                    await self._sound(frame)
        except AdapterError:
            self._job.outcome = Outcome.FAILED
            raise

    async def _sound(self, frame: AudioFrame) -> None:
        await self._begin(frame.rate)
        length = round(_PIECE * frame.rate)
        data = frame.samples.astype("<i2").tobytes()
        for start in range(0, len(data), 2 * length):
            await self._send(Event("audio-chunk", _format(frame.rate), data[start : start + 2 * length]))

    async def _begin(self, rate: int) -> None:
        if not self._sounds:
            self._sounds = True
            await self._send(Event("audio-start", _format(rate)))

    async def _fall_silent(self) -> None:
        """Programs wait for the sound to begin and to end, even where there is none."""
        await self._begin(_RATE)
        self._sounds = False
        await self._send(Event("audio-stop"))


def _format(rate: int) -> dict[str, object]:
    return {"rate": rate, "width": 2, "channels": 1}


def _same(ours: str, theirs: str) -> bool:
    """Whether two language codes are the same but for the country, where one does not say it."""
    ours, theirs = (code.lower().replace("_", "-") for code in (ours, theirs))
    return ours == theirs or bool(ours) and "-" not in theirs and ours.startswith(f"{theirs}-")
