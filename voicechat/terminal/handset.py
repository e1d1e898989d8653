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
from voicechat.protocols import Canceller
from voicechat.transport.media.downsampler import Downsampler
from voicechat.transport.media.metronome import Metronome

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


class Deafened:
    """A microphone that does not hear its own loudspeaker: a canceller, at the rate that it wants."""

    def __init__(self, canceller: Canceller) -> None:
        self._canceller = canceller
        self._heard, self._played = Downsampler(RATE, canceller.rate), Downsampler(RATE, canceller.rate)
        self._back = Downsampler(canceller.rate, RATE)

    def hear(self, heard: Samples, played: Samples) -> Samples:
        """A frame of the microphone without the echo of this frame of the loudspeaker and those before. About 1 ms."""
        return self._back.push(self._canceller.cancel(self._heard.push(heard), self._played.push(played)))


class SoundCard:
    """The default microphone and speaker, through PortAudio, whose thread calls `_exchange` every 20 ms.

    Raises VoicechatError when there is no PortAudio or no device. Without a canceller, it needs headphones.
    """

    over = False

    def __init__(self, canceller: Canceller | None = None) -> None:
        self._deafened = None if canceller is None else Deafened(canceller)
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
        samples: Samples = np.frombuffer(bytes(spoken), np.int16)
        played = self._ready.popleft() if self._ready else QUIET
        ear[:] = played.tobytes()
        if self._deafened is not None:
            samples = self._deafened.hear(samples, played)
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
