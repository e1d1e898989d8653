"""Our own voice in the microphone: whole calls in rooms made of numbers, and the gate alone."""

from collections.abc import Iterator
from functools import cache
from inspect import signature

import numpy as np
import pytest

from tests.rooms import FRAME, Answer, Call, Microphone, Room, Sound, at_level
from voicechat.adapters.tts import espeak
from voicechat.adapters.vad import silero, webrtc
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Samples, resample
from voicechat.config import Settings
from voicechat.ears import Ears
from voicechat.echo.gate import Gate
from voicechat.echo.reverberation import Played

ANSWERS = (
    "Sure. The museum has three floors, a cafe, and a small shop.",
    "Tickets cost twelve euros for adults and six for children.",
    "The dinosaurs are on the second floor, next to the lift.",
)
QUESTION = "Excuse me, and what does it cost for two children?"
ANSWER_DB = -20.0
ROOMS = [
    Room(-6.0, delay=0.03, fading=0.2),
    Room(-6.0, delay=0.24, fading=0.45, noise=-60.0),
    Room(-12.0, delay=0.13, fading=0.3, noise=-50.0),
    Room(-20.0, delay=0.18, fading=0.25),
    Room(-30.0, delay=0.1, fading=0.35),
]


QUIET = [
    Room(coupling, delay, fading=0.0, noise=noise, starts=starts, drift=1e-4, jitter=0.02)
    for coupling, delay in ((-6.0, 0.153), (-12.0, 0.087), (-20.0, 0.148))
    for noise in (-85.0, -75.0)
    for starts in ((), (0.0,), (0.21, 0.23, 0.2))
]
"""A loudspeaker close by, no noise that would fill the pauses, delays that are no whole frames, and buffers."""


@cache
def said(text: str, voice: str) -> Samples:
    engine = espeak.load(Settings())
    whole = np.concatenate([piece.samples for piece in engine.synthesize(text, voice)])
    return resample(whole, engine.rate, LISTEN_RATE)


def answers(voice: str = "en-gb") -> Iterator[Sound]:
    return (at_level(said(text, voice), ANSWER_DB) for text in ANSWERS)


def call_in(room: Room, seed: int = 0, gate: Gate | None = None) -> tuple[Call, Microphone]:
    settings = Settings()
    microphone = Microphone(room, 40.0, np.random.default_rng(seed))
    ears = Ears(webrtc.load(settings).open(), silero.load(settings).open(), gate=gate)
    call = Call(ears, microphone)
    call.wait(0.6)
    return call, microphone


def spoken_over(room: Room, level: float, after: float, gate: Gate | None, seed: int = 0) -> tuple[Answer, float, Call]:
    """An answer over which nobody speaks, then one over which a caller does: what became of it, and from when on."""
    call, microphone = call_in(room, seed, gate)
    quiet, over, _ = answers()
    call.answer(quiet)
    at = call.now + after
    microphone.speak(at_level(said(QUESTION, "en-us"), level), at)
    return call.answer(over), at, call


def test_the_margin_that_is_tested_is_the_one_that_is_set() -> None:
    assert signature(Gate).parameters["margin"].default == Settings().turn.echo.margin_db


@pytest.mark.parametrize("coupling", [-100.0, -12.0])
def test_it_is_sure_once_it_knows_the_echo_or_that_there_is_none(coupling: float) -> None:
    """A coupling of -100 dB is a headphone."""
    gate = Gate()
    assert gate.unsure, "nothing has been played"
    call, _ = call_in(Room(coupling, delay=0.1, fading=0.2), gate=gate)
    call.answer(next(answers()))
    assert not gate.unsure
    assert (gate.delay is None) is (coupling == -100.0)


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_answers_on_a_speakerphone_do_not_cut_themselves(room: Room) -> None:
    call, _ = call_in(room, gate=Gate())
    first, *later = [call.answer(sound) for sound in answers()]
    assert first.cut is None
    assert len(first.pauses) <= 1
    assert all(answer.cut is None and not answer.pauses for answer in later)


@pytest.mark.parametrize("offset", [0.0, 0.005, 0.01, 0.015])
def test_coupling_is_no_fainter_where_sounds_end_suddenly(offset: float) -> None:
    """An echo 12 dB down, and silence between the words: the words tell how loud it is, not their edges."""
    gate = Gate()
    heard_by(gate, Room(-12.0, delay=0.1 + offset, fading=0.0, noise=-85.0), np.concatenate(list(answers())))
    assert gate.coupling == pytest.approx(-12.0, abs=5.5)


def test_without_the_gate_they_do() -> None:
    call, _ = call_in(ROOMS[2])
    assert call.answer(next(answers())).cut is not None


@pytest.mark.parametrize("room", ROOMS[:4], ids=str)
@pytest.mark.parametrize("after", [0.6, 1.3])
@pytest.mark.parametrize("louder", [0.0, 6.0])
def test_caller_as_loud_as_the_echo_is_heard_over_it(room: Room, after: float, louder: float) -> None:
    assert room.coupling is not None
    answer, at, _ = spoken_over(room, ANSWER_DB + room.coupling + louder, after, Gate())
    assert answer.cut is not None
    assert at < answer.cut < at + 1.5


@pytest.mark.parametrize("after", [0.1, 0.5, 1.7])
@pytest.mark.parametrize("level", [-20.0, -35.0])
@pytest.mark.parametrize("noise", [-50.0, -70.0])
def test_nothing_changes_for_a_caller_with_headphones(after: float, level: float, noise: float) -> None:
    gate = Gate()
    room = Room(None, noise=noise)
    plain, _, without = spoken_over(room, level, after, None)
    gated, _, guarded = spoken_over(room, level, after, gate)
    assert plain.cut is not None
    assert gated == plain
    assert guarded.acts == without.acts
    assert gate.delay is None


def heard_by(gate: Gate, room: Room, sound: Sound, *, jitter: float = 0.0, lead: float = 0.0) -> list[bool]:
    """What the gate says of each frame; both clocks run unevenly by up to `jitter` seconds."""
    dice = np.random.default_rng(7)
    microphone = Microphone(room, len(sound) / LISTEN_RATE + 1.0, dice)
    levels: list[Played] = []
    found = []
    for number in range(len(sound) // FRAME):
        played = np.clip(sound[number * FRAME :][:FRAME], -32768, 32767).astype(np.int16)
        now = number * FRAME_SECONDS
        levels = [*levels[-74:], Played(now + lead + dice.uniform(0, jitter), played, LISTEN_RATE)]
        heard = AudioFrame(microphone.hear(played), LISTEN_RATE)
        found.append(gate.hear(heard, levels, now + dice.uniform(0, jitter)))
    return found


@pytest.mark.parametrize("room", ROOMS[:4], ids=str)
def test_delay_and_coupling_of_an_echo_are_found(room: Room) -> None:
    gate = Gate()
    heard_by(gate, room, np.concatenate(list(answers())))
    assert gate.delay == pytest.approx(room.delay - FRAME_SECONDS, abs=0.03)  # a frame is heard when it begins here
    assert gate.coupling == pytest.approx(room.coupling, abs=7.0)


@pytest.mark.parametrize(("jitter", "lead"), [(0.015, 0.0), (0.06, 0.0), (0.0, 0.2)])
def test_echo_is_known_where_frames_come_unevenly_or_are_sent_ahead(jitter: float, lead: float) -> None:
    gate = Gate()
    room = Room(-12.0, delay=0.1 + lead)
    found = heard_by(gate, room, np.concatenate(list(answers())), jitter=jitter, lead=lead)
    settled = found[100:]
    assert sum(settled) / len(settled) > 0.95


def test_echo_of_a_volume_that_changes_is_known_again_soon() -> None:
    gate = Gate()
    sound = np.concatenate(list(answers()))
    heard_by(gate, Room(-24.0), sound)
    louder = heard_by(gate, Room(-12.0), sound)
    assert sum(louder[150:]) / len(louder[150:]) > 0.9


def test_echo_that_is_gone_is_forgotten() -> None:
    gate = Gate()
    sound = np.concatenate(list(answers()))
    heard_by(gate, Room(-12.0), sound)
    heard_by(gate, Room(None), np.concatenate([sound, sound]))
    assert gate.delay is None


def test_caller_who_talks_all_through_an_answer_is_no_echo_of_it() -> None:
    gate = Gate()
    talk = np.concatenate([at_level(said(text, "en-us"), -25.0) for text in (QUESTION, *ANSWERS[::-1])])
    talk = talk + np.random.default_rng(1).standard_normal(len(talk)) * 18
    ours = np.concatenate(list(answers()))
    levels: list[Played] = []
    explained = 0
    count = min(len(talk), len(ours)) // FRAME
    for number in range(count):
        played = np.clip(ours[number * FRAME :][:FRAME], -32768, 32767).astype(np.int16)
        heard = talk[number * FRAME :][:FRAME].astype(np.int16)
        levels = [*levels[-74:], Played(number * FRAME_SECONDS, played, LISTEN_RATE)]
        explained += gate.hear(AudioFrame(heard, LISTEN_RATE), levels, number * FRAME_SECONDS)
    assert explained / count < 0.05


def test_nothing_is_an_echo_when_nothing_was_played() -> None:
    gate = Gate()
    loud = np.random.default_rng(0).integers(-9000, 9000, FRAME).astype(np.int16)
    assert not any(gate.hear(AudioFrame(loud, LISTEN_RATE), (), number * FRAME_SECONDS) for number in range(300))


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_first_frames_of_the_first_echo_are_held_back(room: Room) -> None:
    found = heard_by(Gate(), room, next(answers()))
    loud = round((room.delay + 0.1) / FRAME_SECONDS)
    assert all(found[loud : loud + 8])


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4])
def test_caller_who_begins_with_the_first_answer_is_held_back_for_a_moment_only(after: float) -> None:
    call, microphone = call_in(Room(None), gate=Gate())
    at = call.now + after
    microphone.speak(at_level(said(QUESTION, "en-us"), -30.0), at)
    answer = call.answer(next(answers()))
    assert answer.pauses
    assert answer.pauses[0] < at + 0.5
    assert answer.cut is not None
    assert answer.cut < at + 0.9


@pytest.mark.parametrize("room", QUIET, ids=str)
@pytest.mark.parametrize("voice", ["en-gb", "en-us"])
def test_answers_do_not_hold_themselves_up_where_the_microphone_is_very_quiet(room: Room, voice: str) -> None:
    call, _ = call_in(room, gate=Gate())
    found = [call.answer(sound) for sound in answers(voice)]
    assert not any(answer.pauses or answer.cut for answer in found)
