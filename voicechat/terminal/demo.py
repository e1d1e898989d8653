"""A conversation to watch: a real server, a real WebRTC caller, three turns, and one answer that is interrupted."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicechat import adapters, clip
from voicechat.audio import FRAME_SECONDS, AudioFrame, Samples
from voicechat.config import Settings
from voicechat.protocols import TtsEngine
from voicechat.terminal import spawn
from voicechat.terminal.caller import Caller
from voicechat.terminal.dialogue import Dialogue, Question, Turn
from voicechat.transport.media.opus import RATE

SCRIPT: Final = (("What is your name?", None), ("How do you work?", 2.5), ("Which languages do you speak?", None))
"""Questions that the built-in answers know, and after how many seconds the answer is interrupted with the next one."""

VOICE: Final = "en-gb"
"""The caller's; the server speaks with its own."""

AUDIBLE: Final = 300
"""Samples from this size on count as sound: -41 dB below full scale."""

COLOURS: Final = {"caller": "cyan", "understood": "dim", "server": "green", "error": "red"}


def run(config: Path | None, settings: Settings, out: Path) -> None:
    """Blocking, about half a minute. Raises VoicechatError when a turn was not answered.

    SIGTERM ends it as Ctrl-C does: through the end of its server, which would otherwise live on alone.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    asyncio.run(_run(config, settings, out))


async def _run(config: Path | None, settings: Settings, out: Path) -> None:
    clip.reserve(out)
    screen = Console(highlight=False, soft_wrap=True)
    with Console(stderr=True).status("Starting a server"):
        script = _script(settings)
    async with spawn.server(config) as (url, ready), Caller(url) as caller:
        screen.print(ready, style="dim")

        def tell(who: str, words: str) -> None:
            screen.print(Text.assemble((f"{caller.now:6.1f} s ", "dim"), (f"{who:>10}: ", COLOURS[who]), words))

        dialogue = Dialogue(caller, tell)
        try:
            await dialogue.hold(script)
        finally:
            mine, theirs = caller.recording()
            clip.save(out, RATE, mine, theirs)
    screen.print(latencies(dialogue.turns, mine, theirs))
    screen.print(f"{out}: {len(mine) / RATE:.0f} s, the caller left, the server right")


def _script(settings: Settings) -> list[Question]:
    """The questions with their sound."""
    engine: TtsEngine = adapters.choose("tts", "espeak", settings)
    try:
        return [Question(words, voiced(engine, words), cut_after) for words, cut_after in SCRIPT]
    finally:
        engine.close()


def voiced(engine: TtsEngine, words: str) -> AudioFrame:
    return AudioFrame(np.concatenate([piece.samples for piece in engine.synthesize(words, VOICE)]), engine.rate)


def latencies(turns: list[Turn], mine: Samples, theirs: Samples) -> Table:
    """A row for each turn: the parts as the server measured them, their sum, and what it was at the caller's ear."""
    table = Table(title="From the caller's last sound to the answer's first, in ms", title_justify="left")
    for name in ("turn", "end noticed", "understood", "first word", "first sound", "sum", "at ear"):
        table.add_column(name, justify="right")
    for number, turn in enumerate(turns):
        end = turns[number + 1].at if number + 1 < len(turns) else len(mine) / RATE
        sums = [turn.latency.get(f"{part}_ms", 0) for part in ("endpointed", "understood", "first_word", "first_sound")]
        parts = [later - earlier for earlier, later in zip([0, *sums], sums, strict=False)]
        table.add_row(*map(str, (number + 1, *parts, sums[-1])), _ms(ear(turn, end, mine, theirs)))
    for turn, after in zip(turns, turns[1:], strict=False):
        if turn.question.cut_after is not None:
            hush = 1000 * _hush(after, mine, theirs)
            table.caption = f"The interrupted answer fell silent {hush:.0f} ms after the caller began to speak."
    return table


def ear(turn: Turn, end: float, mine: Samples, theirs: Samples) -> float | None:
    """Seconds from the last sound of the question to the first of its answer, in the recording."""
    asked = _asked(turn, mine)
    answered = asked and _sounding(theirs, asked[1], end)
    return answered[0] - asked[1] if asked and answered else None


def _hush(interruption: Turn, mine: Samples, theirs: Samples) -> float:
    """Seconds from the first sound of the interruption to the last of the answer before it; 0 in a gap of it."""
    asked = _asked(interruption, mine)
    answered = asked and _sounding(theirs, *asked)
    return answered[1] - asked[0] if asked and answered else 0.0


def _asked(turn: Turn, mine: Samples) -> tuple[float, float] | None:
    return _sounding(mine, turn.at, turn.at + turn.question.sound.seconds + 2 * FRAME_SECONDS)


def _sounding(samples: Samples, begin: float, end: float) -> tuple[float, float] | None:
    """The first and the last moment with sound between two moments, in seconds."""
    loud = np.flatnonzero(np.abs(samples[round(begin * RATE) : round(end * RATE)].astype(np.int32)) > AUDIBLE)
    return (begin + int(loud[0]) / RATE, begin + int(loud[-1]) / RATE) if len(loud) else None


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"
