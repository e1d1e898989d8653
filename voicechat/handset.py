"""What a terminal caller speaks into and hears from: a sound card, or WAV files in its place."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from voicechat import clip
from voicechat.audio import FRAME_SECONDS, Framer, Samples, resample, silence
from voicechat.errors import VoicechatError
from voicechat.transport.metronome import Metronome

if TYPE_CHECKING:
    import sounddevice

RATE: Final = 24_000
FRAME: Final = round(RATE * FRAME_SECONDS)
QUIET: Final = silence(FRAME_SECONDS, RATE)


class Handset(Protocol):
    """One frame is spoken for each frame that is heard: the microphone's clock drives both."""

    over: bool
    """Nothing more will be said into it."""

    def frames(self) -> AsyncIterator[Samples]:
        """The microphone, shape (480,), in real time; endless."""
        ...

    def speak(self, samples: Samples) -> None:
        """The next frame for the ear; never blocks."""
        ...

    def close(self) -> None: ...


class WavHandset:
    """Speaks a WAV once, then is quiet; keeps what it hears and writes it to `out` when closed.

    Raises VoicechatError when the one WAV cannot be read or the other not be written.
    """

    def __init__(self, wav: Path, out: Path | None) -> None:
        words = clip.load(wav)
        if out is not None:
            clip.reserve(out)
        self._words = list(Framer(FRAME).push(resample(words.samples, words.rate, RATE)))
        self._heard: list[Samples] = []
        self._out = out
        self.over = False

    async def frames(self) -> AsyncIterator[Samples]:
        words = iter(self._words)
        async with aclosing(Metronome().ticks()) as ticks:
            async for _ in ticks:
                frame = next(words, None)
                self.over = frame is None
                yield QUIET if frame is None else frame

    def speak(self, samples: Samples) -> None:
        self._heard.append(samples)

    def close(self) -> None:
        if self._out is not None and self._heard:
            clip.save(self._out, RATE, np.concatenate(self._heard))


class SoundCard:
    """The default microphone and speaker, through PortAudio, whose thread calls `_exchange` every 20 ms.

    Raises VoicechatError when there is no PortAudio or no device. Needs headphones: it does not cancel echo.
    """

    over = False

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._spoken: asyncio.Queue[Samples] = asyncio.Queue(maxsize=50)
        self._ready: deque[Samples] = deque([QUIET] * 2, maxlen=10)  # 40 ms ahead covers the loop's jitter
        self._stream = self._open()

    def _open(self) -> "sounddevice.RawStream":
        try:
            import sounddevice
        except ImportError:
            raise VoicechatError(
                "no_sounddevice", "The microphone needs a package: pip install sounddevice. Or use --wav."
            ) from None
        except OSError as error:
            raise VoicechatError(
                "no_portaudio", f"{error}. On Debian: apt install libportaudio2. Or use --wav."
            ) from error
        try:
            stream = sounddevice.RawStream(
                samplerate=RATE, blocksize=FRAME, channels=1, dtype="int16", callback=self._exchange
            )
            stream.start()
        except sounddevice.PortAudioError as error:
            raise VoicechatError(
                "no_microphone", f"No microphone or speaker can be used: {error}. Or use --wav."
            ) from error
        return stream

    def _exchange(self, spoken: Any, ear: Any, frames: int, time: Any, status: Any) -> None:
        """On PortAudio's thread: takes a frame from the microphone, gives one to the speaker."""
        samples = np.frombuffer(bytes(spoken), np.int16)
        ear[:] = (self._ready.popleft() if self._ready else QUIET).tobytes()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, samples)

    def _take(self, samples: Samples) -> None:
        if self._spoken.full():  # a stalled connection: old sound is worth less than new
            self._spoken.get_nowait()
        self._spoken.put_nowait(samples)

    async def frames(self) -> AsyncIterator[Samples]:
        while True:
            yield await self._spoken.get()

    def speak(self, samples: Samples) -> None:
        self._ready.append(samples)

    def close(self) -> None:
        self._stream.close()
