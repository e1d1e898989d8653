"""How much of a caller's sound is lost when packets are: a coded tone is sent, and what comes back is read.

Every packet carries one of many pitches, never the same twice in a row. A packet that was lost, or thrown away, comes
back as something else, however well it was concealed. The codec is CELT alone, which has no forward error correction:
what is missing is missing before any concealment. With `voip` and its correction the same shows what can be saved.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.media.clips import FRAME, RATE, Packet, encoded
from bench.media.clock import Clock
from bench.media.line import Line
from bench.media.systems import System, running
from voicechat.audio import Samples

PITCHES: Final = tuple(range(400, 3_700, 150))
SHARES: Final = (0.0, 0.01, 0.05, 0.1, 0.2)
_AMPLITUDE: Final = 6_000
_EDGE: Final = 192
"""Samples at both ends of a packet that are not read: the codec mixes neighbours there."""

_GAP: Final = 2.0
"""What a shift costs, in packets: a few that fit by chance do not pay for it."""

_COUNT: Final = 1e-5
"""A match is worth so much more than one: the fraction of a score counts its matches."""

_SPREAD: Final = 60
"""Packets by which the sound that comes back may be shifted."""


def coded(seed: int, count: int) -> tuple[list[int], Samples]:
    """So many pitches, and their sound."""
    dice = random.Random(seed)
    code = [0]
    while len(code) < count:
        code.append(dice.choice([pitch for pitch in range(len(PITCHES)) if pitch != code[-1]]))
    phase = np.cumsum(np.repeat([2 * np.pi * PITCHES[pitch] / RATE for pitch in code], FRAME))
    return code, (_AMPLITUDE * np.sin(phase)).astype(np.int16)


def read(sound: Samples) -> list[int]:
    """The pitch of each 20 ms, -1 where there is none, from where the frames are clearest."""
    return max((_pitches(sound[offset:]) for offset in range(0, FRAME, FRAME // 8)), key=lambda found: found[0])[1]


def _pitches(sound: Samples) -> tuple[float, list[int]]:
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)[:, _EDGE:-_EDGE].astype(np.float32)
    at = np.arange(frames.shape[1]) / RATE
    waves = np.exp(-2j * np.pi * np.outer(at, np.array(PITCHES)))
    power = np.abs(frames @ waves) / frames.shape[1]
    loud = np.sqrt(np.mean(frames**2, axis=1)) > _AMPLITUDE / 20
    best = power.argmax(axis=1)
    return float(power.max(axis=1).sum()), [int(pitch) if on else -1 for pitch, on in zip(best, loud, strict=True)]


def intact(code: list[int], found: list[int]) -> int:
    """How many of the code's packets came back, in order: those of the best alignment."""
    spread = max(_SPREAD, abs(len(found) - len(code)) + _SPREAD)
    before: NDArray[np.float64] = np.zeros(len(found) + 1)  # what comes before the code costs nothing
    there = np.array(found)
    for place, pitch in enumerate(code):
        row = np.full(len(found) + 1, -np.inf)
        low, high = max(0, place - spread), min(len(found), place + spread)
        straight = before[low:high] + (1 + _COUNT) * (there[low:high] == pitch)
        row[low + 1 : high + 1] = np.maximum(straight, before[low + 1 : high + 1] - _GAP)
        row[low] = before[low] - _GAP
        slope = _GAP * np.arange(len(row))
        before = np.maximum.accumulate(row + slope) - slope
    score = float(before.max())
    return round((score - round(score)) / _COUNT)


async def missing(system: System, log: Path, *, seconds: float) -> dict[str, float]:
    """The share of the sound that the server did not hear, for each share of lost packets. All at the same time."""
    count = round(seconds * 50)
    code, sound = coded(1, count)
    plain = encoded(sound, "lowdelay")
    saved = encoded(sound, "voip", fec="1", packet_loss="20")
    kinds = {f"{100 * share:.0f} %": (share, plain) for share in SHARES}
    kinds["20 %, with FEC"] = (0.2, saved)
    async with running(system, log) as server, Clock() as clock, AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(Line(server.offer, plain[0], clock, loss=share, seed=seed, keep=True))
            for seed, (share, _) in enumerate(kinds.values())
        ]
        await asyncio.sleep(1.0)
        await asyncio.gather(*(line.mouth.say(said) for line, (_, said) in zip(lines, kinds.values(), strict=True)))
        await asyncio.sleep(1.0)
    found = [1 - intact(code, read(placed(line.sound))) / count for line in lines]
    return dict(zip(kinds, found, strict=True))


def placed(pieces: list[tuple[int, Samples]]) -> Samples:
    """Sound at its places by RTP timestamps, silence where nothing came."""
    first = pieces[0][0]
    starts = [(at - first + 0x80000000 & 0xFFFFFFFF) - 0x80000000 for at, _ in pieces]
    sound = np.zeros(max(starts) + FRAME, np.int16)
    for start, (_, samples) in zip(starts, pieces, strict=True):
        if start >= 0:
            sound[start : start + len(samples)] = samples[: len(sound) - start]
    return sound


async def round_trips(system: System, log: Path, silence: Packet, *, lines: int, times: int) -> list[float]:
    """Milliseconds from a sound's first audible packet out to the first one back.

    Several callers one after the other, because what one of them waits depends on how its clock lies to the server's.
    """
    beep = encoded((8_000 * np.sin(2 * np.pi * 440 / RATE * np.arange(5 * FRAME))).astype(np.int16))
    trips: list[float] = []
    async with running(system, log) as server, Clock() as clock:
        for _ in range(lines):
            await asyncio.sleep(0.5 + random.random() * 0.02)
            async with Line(server.offer, silence, clock) as line:
                await asyncio.sleep(0.5)
                trips += [trip for _ in range(times) if (trip := await _trip(line, beep)) is not None]
    return trips


async def _trip(line: Line, beep: list[Packet]) -> float | None:
    begin = asyncio.get_running_loop().time()
    out, _ = await line.mouth.say(beep)
    await line.voice(begin, 1.0)
    await line.quiet(0.2, 2.0)
    return next((1000 * (at - out) for at in line.heard if at > out), None)
