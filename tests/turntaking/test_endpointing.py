"""How long the silence after speech must last, by what was heard and read before it."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.adapters.vad import silero, webrtc
from voicechat.audio import LISTEN_RATE, AudioFrame, Framer, Samples, read_wav, resample
from voicechat.config import EndpointingSettings, Settings, TurnSettings
from voicechat.conversation import SessionSettings
from voicechat.ears import Ears
from voicechat.events import State
from voicechat.session import Session
from voicechat.turn import Act, Clues, Floor
from voicechat.turntaking.endpointing import EAGERNESS, Endpointing, Waits, eager
from voicechat.turntaking.rules import Rules

CLIPS: Final = Path(__file__).parents[3] / "shared" / "speech"
SPEECH: Final = AudioFrame(np.random.default_rng(2).normal(0, 5, 320).astype(np.int16), LISTEN_RATE)
"""So soft that its sound tells nothing; that it is speech is said beside it."""
VOICED: Final = AudioFrame((8000 * np.sin(2 * np.pi * np.arange(320) / 80)).astype(np.int16), LISTEN_RATE)
HISSING: Final = AudioFrame(np.random.default_rng(3).normal(0, 4000, 320).astype(np.int16), LISTEN_RATE)
QUIET: Final = AudioFrame(np.full(320, 2, np.int16), LISTEN_RATE)
WAITS: Final = Waits()


def speak(patience: Endpointing, seconds: float, frame: AudioFrame = SPEECH) -> None:
    for _ in range(round(seconds / 0.02)):
        patience.hear(frame, True, 0.9)


def rest(patience: Endpointing, seconds: float, *, voiced: bool = False) -> None:
    for _ in range(round(seconds / 0.02)):
        patience.hear(QUIET, voiced, 0.02)


def after(text: str = "", *, spoken: float = 2.0, question: bool = False, waits: Waits = WAITS) -> Endpointing:
    """A caller who was understood to have said the text, and has been silent for 0.2 s."""
    patience = Endpointing(waits, phrases=("Where is the lift?",))
    patience.asked(question)
    speak(patience, spoken)
    rest(patience, 0.2)
    if text:
        patience.read(text)
    return patience


def test_the_settings_and_the_knobs_have_the_same_values() -> None:
    settings = EndpointingSettings()
    assert (settings.least, settings.usual, settings.most) == (WAITS.least, WAITS.usual, WAITS.most)


def test_without_evidence_it_is_as_usual() -> None:
    assert after().silence == pytest.approx(WAITS.usual)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("I would like to go to the", 1.5, 1.8),
        ("my number is five five five", 1.5, 1.8),
        ("and so my fellow citizens", 1.5, 1.8),
        ("Turn on the light.", 0.26, 0.3),
        ("where is the lift", 0.25, 0.25),
        ("turn on the light", 0.34, 0.34),
    ],
)
def test_what_was_said_makes_it_longer_or_shorter(text: str, least: float, most: float) -> None:
    assert least - 1e-6 <= after(text).silence <= most + 1e-6


def test_a_short_answer_to_a_question_ends_soon() -> None:
    assert after("yes please", spoken=0.5, question=True).silence < after("yes please", spoken=0.5).silence - 0.08


def test_a_text_from_before_the_last_words_says_nothing() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.0)
    patience.read("I would like to go to the")
    speak(patience, 1.0)
    rest(patience, 0.2)
    assert patience.silence == pytest.approx(WAITS.usual)


def test_a_number_that_was_begun_is_a_number_still() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.0)
    patience.read("oh one six three")
    speak(patience, 1.0)
    rest(patience, 0.2)
    assert patience.silence > 1.5


def test_words_that_are_not_believed_count_less() -> None:
    believed, doubted = after("go to the"), after("go to the", waits=Waits(words=0.4))
    assert believed.silence > doubted.silence > WAITS.usual
    assert after("go to the", waits=Waits(words=0.0)).silence == pytest.approx(WAITS.usual)


def test_who_has_hardly_begun_gets_more_time() -> None:
    assert after(spoken=0.5).silence > after(spoken=2.0).silence


@pytest.mark.parametrize(("frame", "least", "most"), [(HISSING, 0.25, 0.3), (VOICED, 0.42, 0.6)])
def test_an_end_without_voice_needs_less_silence_and_one_in_full_voice_more(
    frame: AudioFrame, least: float, most: float
) -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.0, VOICED)
    speak(patience, 0.5, frame)
    rest(patience, 0.2)
    assert least - 1e-6 <= patience.silence <= most + 1e-6


def test_a_voice_that_sets_in_holds_the_end_for_a_moment() -> None:
    patience = after()
    rest(patience, 0.12)
    assert patience.silence == pytest.approx(WAITS.usual)
    rest(patience, 0.04, voiced=True)
    assert patience.silence > 0.36
    rest(patience, 0.1, voiced=True)
    assert patience.silence == pytest.approx(WAITS.usual), "it was no speech"


def test_a_voice_without_silence_before_it_is_the_room() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 2.0)
    for _ in range(4):
        rest(patience, 0.06, voiced=True)
        rest(patience, 0.02)
        assert patience.silence == pytest.approx(WAITS.usual)


def test_who_paused_in_this_turn_may_again() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.5)
    rest(patience, 0.32)
    speak(patience, 1.5)
    rest(patience, 0.2)
    assert patience.silence == pytest.approx(1.2 * 0.32)


def test_the_next_turn_is_read_anew() -> None:
    patience = after("my number is five five five")
    rest(patience, 5.0)
    speak(patience, 2.0)
    rest(patience, 0.2)
    assert patience.silence == pytest.approx(WAITS.usual)


def test_a_caller_who_pauses_long_gets_more_time() -> None:
    patience = Endpointing(WAITS)
    for _ in range(5):
        speak(patience, 1.5)
        rest(patience, 0.7)
    speak(patience, 1.5)
    rest(patience, 0.2)
    assert patience.silence > 0.6


def test_a_caller_who_was_cut_off_gets_more_time_until_many_turns_went_well() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.5)
    rest(patience, WAITS.usual + 0.2)  # the turn was over, and they went on
    waits = []
    for _ in range(30):
        speak(patience, 1.5)
        rest(patience, 0.2)
        waits.append(patience.silence)
        rest(patience, 1.0)
        patience.asked(False)
    assert waits[0] == pytest.approx(1.4 * WAITS.usual)
    assert waits == sorted(waits, reverse=True)
    assert waits[10] > 1.1 * WAITS.usual
    assert waits[-1] < 1.2 * WAITS.usual


def test_who_interrupts_an_answer_was_not_cut_off() -> None:
    patience = Endpointing(WAITS)
    for _ in range(3):
        speak(patience, 1.5)
        rest(patience, WAITS.usual + 1.2)
    speak(patience, 1.5)
    rest(patience, 0.2)
    assert patience.silence == pytest.approx(WAITS.usual)


def test_silence_while_an_answer_is_heard_is_no_pause() -> None:
    patience = Endpointing(WAITS)
    for _ in range(6):
        speak(patience, 1.5)
        rest(patience, 1.2)
        patience.asked(False)
    speak(patience, 1.5)
    rest(patience, 0.2)
    assert patience.silence <= WAITS.usual + 1e-6


def test_a_silence_is_put_to_the_detector_once() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 1.0)
    assert patience.due() is None
    rest(patience, 0.1)
    doubt = patience.due()
    assert doubt is not None and len(doubt.sound) == round(1.1 * LISTEN_RATE)
    rest(patience, 0.1)
    assert patience.due() is None


def test_a_detector_sees_no_more_than_eight_seconds_of_the_turn() -> None:
    patience = Endpointing(WAITS)
    speak(patience, 12.0)
    rest(patience, 0.1)
    doubt = patience.due()
    assert doubt is not None and len(doubt.sound) == 8 * LISTEN_RATE


@pytest.mark.parametrize(("probability", "least", "most"), [(1.0, 0.24, 0.26), (0.5, 0.5, 0.7), (0.0, 1.3, 1.5)])
def test_the_detector_decides(probability: float, least: float, most: float) -> None:
    patience = after()
    doubt = patience.due()
    assert doubt is not None
    patience.judge(doubt, probability)
    assert least <= patience.silence <= most


def test_a_detector_that_comes_too_late_is_not_heard() -> None:
    patience = after()
    doubt = patience.due()
    assert doubt is not None
    speak(patience, 1.0)
    rest(patience, 0.2)
    patience.judge(doubt, 0.0)
    assert patience.silence <= WAITS.usual + 1e-6


def test_a_client_who_names_a_silence_gets_exactly_that() -> None:
    session = Session("sess_1", SessionSettings(), TurnSettings())
    assert session.floor.rules.adapts
    session.update({"turns": {"kind": "server_vad", "silence": 0.7, "adapts": False}})
    assert (session.floor.rules.adapts, session.floor.rules.silence) == (False, 0.7)
    session.update({"turns": {"kind": "semantic_vad", "adapts": True}})
    assert session.floor.rules.adapts


def test_a_client_may_hurry_and_take_it_back() -> None:
    patience = after()
    patience.hurry("low")
    assert patience.silence == pytest.approx(EAGERNESS["low"] * WAITS.usual)
    patience.hurry("auto")
    assert patience.silence == pytest.approx(WAITS.usual)


def test_eagerness_orders_the_waits() -> None:
    waits = [eager(WAITS, eagerness) for eagerness in ("high", "auto", "low")]
    assert waits[1] == WAITS == eager(WAITS, "medium")
    for name in ("least", "usual", "most"):
        assert getattr(waits[0], name) < getattr(waits[1], name) < getattr(waits[2], name)
    assert set(EAGERNESS) == {"low", "medium", "auto", "high"}


EVENTS = st.one_of(
    st.tuples(st.just("hear"), st.floats(0, 1), st.integers(1, 60)),
    st.tuples(st.just("read"), st.sampled_from(["", "and", "yes.", "one two three", "so it is"]), st.just(1)),
    st.tuples(st.just("asked"), st.booleans(), st.just(1)),
    st.tuples(st.just("judge"), st.floats(0, 1), st.just(1)),
)


@given(st.lists(EVENTS, max_size=40))
def test_the_silence_stays_between_least_and_most(events: list[tuple[str, float | str | bool, int]]) -> None:
    patience = Endpointing(WAITS)
    for kind, value, times in events:
        if kind == "hear":
            for _ in range(times):
                patience.hear(SPEECH if float(value) > 0.5 else QUIET, bool(float(value) > 0.3), float(value))
        elif kind == "read":
            patience.read(str(value))
        elif kind == "asked":
            patience.asked(bool(value))
        elif (doubt := patience.due()) is not None:
            patience.judge(doubt, float(value))
        assert WAITS.least <= patience.silence <= WAITS.most


# Recordings of people

COMMANDS: Final = (
    "cards_001", "cards_002", "cards_003", "goforward", "something", "lamp", "sb_spk1_snt1", "sb_spk1_snt2",
    "sb_spk1_snt3", "sb_spk1_snt4", "sb_spk1_snt5", "vctk_clean_001", "vctk_clean_002", "vctk_clean_003",
    "LJ001-0002", "LJ001-0004", "LJ001-0005", "LJ001-0008", "austen_0870", "austen_0880",
)  # fmt: skip
"""What is said in one breath or with short pauses."""


def clip(name: str) -> Samples:
    """A recording, and two seconds of a room's noise after it."""
    path = CLIPS / f"{name}.wav"
    if not path.is_file():
        pytest.skip("the recordings are not here")
    recorded = read_wav(path)
    room = np.random.default_rng(9).normal(0.0, 12.0, 2 * LISTEN_RATE)
    return np.concatenate((resample(recorded.samples, recorded.rate, LISTEN_RATE), room.astype(np.int16)))


def ends(sound: Samples, texts: dict[float, str] | None = None) -> tuple[list[float], float]:
    """Seconds at which the turn was ended, and the end of the speech. `texts` are read when so much was heard."""
    settings = Settings()
    patience = Endpointing(Waits())
    ears = Ears(webrtc.load(settings).open(), silero.load(settings).open(), patience=patience)
    floor, found, last = Floor(Rules()), [], 0.0
    waiting = sorted((texts or {}).items())
    for frame in Framer(320).push(sound):
        while waiting and waiting[0][0] <= floor.clock:
            patience.read(waiting.pop(0)[1])
        voiced, probability = ears.hear(AudioFrame(frame, LISTEN_RATE), attentive=True, levels=(), now=0.0)
        acts = floor.hear(voiced, probability, 0.02, Clues(silence=ears.silence))
        last = floor.clock if floor.quiet == 0.0 else last
        if Act.END in acts:
            found.append(floor.clock)
            floor.move(State.IDLE)
    return found, last


def test_people_are_not_cut_off_and_not_kept_waiting() -> None:
    waits = []
    for name in COMMANDS:
        found, last = ends(clip(name))
        assert len(found) == 1, f"{name} was cut off at {found} of {last:.2f} s"
        waits.append(found[0] - last)
    assert np.median(waits) <= 0.41
    assert np.quantile(waits, 0.95) <= 0.6


def test_an_orator_with_long_pauses_is_heard_to_the_end_where_the_words_are_known() -> None:
    said = {
        2.4: "and so my fellow americans",
        4.5: "and so my fellow americans ask not",
        7.8: "and so my fellow americans ask not what your country can do for you",
    }
    found, last = ends(clip("jfk"), said)
    assert len(found) == 1 and found[0] > last


def test_a_number_with_long_pauses_is_heard_to_the_end_where_the_words_are_known() -> None:
    said = {2.7: "one zero zero zero one", 5.1: "one zero zero zero one nine oh two one oh"}
    found, last = ends(clip("vosk_digits"), said)
    assert len(found) == 1 and found[0] > last
