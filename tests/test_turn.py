"""The floor, by tables: what the two stages hear of 20 ms frames, and what is to be done when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.errors import IllegalMove
from voicechat.events import State
from voicechat.turn import MOVES, Act, Floor, Rules

FRAME = 0.02
RULES = Rules()

# What one frame sounds like: (voiced, probability of speech)
SPEECH = (True, 0.9)
NOISE = (True, 0.05)
QUIET = (False, 0.02)
MURMUR = (True, 0.4)  # below the threshold, above it less the hysteresis


def hear(floor: Floor, sound: tuple[bool, float], seconds: float) -> list[tuple[float, Act]]:
    """Feeds the sound; the acts with the second (of this sound) at which each came."""
    acts = []
    for frame in range(round(seconds / FRAME)):
        acts += [(round((frame + 1) * FRAME, 3), act) for act in floor.hear(*sound, FRAME)]
    return acts


def floor_in(state: State) -> Floor:
    floor = Floor(RULES)
    path = {
        State.IDLE: (),
        State.LISTENING: (State.LISTENING,),
        State.THINKING: (State.THINKING,),
        State.SPEAKING: (State.THINKING, State.SPEAKING),
        State.BARGED_IN: (State.THINKING, State.SPEAKING, State.BARGED_IN),
        State.TERMINATED: (State.TERMINATED,),
    }[state]
    for step in path:
        floor.move(step)
    return floor


@pytest.mark.parametrize(
    ("state", "sounds", "acts", "ends"),
    [
        pytest.param(State.IDLE, [(SPEECH, 0.5)], [(0.1, Act.BEGIN)], State.LISTENING, id="speech begins a turn"),
        pytest.param(State.IDLE, [(NOISE, 5.0)], [], State.IDLE, id="noise begins nothing"),
        pytest.param(State.IDLE, [(SPEECH, 0.08), (QUIET, 1.0)], [], State.IDLE, id="a click is no turn"),
        pytest.param(
            State.LISTENING, [(SPEECH, 1.0), (QUIET, 0.5)], [(1.3, Act.END)], State.THINKING, id="quiet ends a turn"
        ),
        pytest.param(
            State.LISTENING,
            [(SPEECH, 1.0), (QUIET, 0.26), (SPEECH, 0.4), (QUIET, 0.2)],
            [],
            State.LISTENING,
            id="a pause for breath does not",
        ),
        pytest.param(
            State.LISTENING, [(SPEECH, 1.0), (MURMUR, 2.0)], [], State.LISTENING, id="a falling voice is still speech"
        ),
        pytest.param(State.LISTENING, [(NOISE, 0.4)], [(0.3, Act.END)], State.THINKING, id="noise is quiet"),
        pytest.param(
            State.LISTENING,
            [(SPEECH, 31.0)],
            [(30.0, Act.END), (30.2, Act.CUT), (30.2, Act.BEGIN)],
            State.LISTENING,
            id="a turn has a longest length, and who speaks on begins another",
        ),
        pytest.param(State.SPEAKING, [(SPEECH, 0.1)], [(0.06, Act.PAUSE)], State.BARGED_IN, id="a voice pauses"),
        pytest.param(
            State.SPEAKING,
            [(SPEECH, 0.5)],
            [(0.06, Act.PAUSE), (0.2, Act.CUT), (0.2, Act.BEGIN)],
            State.LISTENING,
            id="speech cuts",
        ),
        pytest.param(
            State.SPEAKING,
            [(NOISE, 2.0)],
            [(0.06, Act.PAUSE), (0.36, Act.RESUME)],
            State.SPEAKING,
            id="steady noise pauses once and the answer goes on",
        ),
        pytest.param(
            State.SPEAKING,
            [(NOISE, 0.1), (QUIET, 1.0), (NOISE, 0.1)],
            [(0.06, Act.PAUSE), (0.36, Act.RESUME), (1.16, Act.PAUSE)],
            State.BARGED_IN,
            id="a second cough pauses again",
        ),
        pytest.param(
            State.SPEAKING,
            [(SPEECH, 0.12), (QUIET, 1.0)],
            [(0.06, Act.PAUSE), (0.42, Act.RESUME)],
            State.SPEAKING,
            id="a syllable is not an interruption",
        ),
        pytest.param(State.SPEAKING, [(QUIET, 9.0)], [], State.SPEAKING, id="silence changes nothing"),
        pytest.param(State.THINKING, [(NOISE, 3.0)], [], State.THINKING, id="noise does not stop thinking"),
        pytest.param(
            State.THINKING,
            [(SPEECH, 0.3)],
            [(0.2, Act.CUT), (0.2, Act.BEGIN)],
            State.LISTENING,
            id="speech while thinking goes on with the turn",
        ),
        pytest.param(State.TERMINATED, [(SPEECH, 3.0)], [], State.TERMINATED, id="the dead hear nothing"),
    ],
)
def test_floor(
    state: State, sounds: list[tuple[tuple[bool, float], float]], acts: list[tuple[float, Act]], ends: State
) -> None:
    floor = floor_in(state)
    found, clock = [], 0.0
    for sound, seconds in sounds:
        found += [(round(clock + second, 3), act) for second, act in hear(floor, sound, seconds)]
        clock += seconds
    assert found == acts
    assert floor.state is ends


def test_push_to_talk_moves_nothing_by_sound() -> None:
    floor = Floor(Rules(detects=False))
    assert hear(floor, SPEECH, 3.0) == []
    assert floor.state is State.IDLE


def test_an_answer_that_may_not_be_interrupted_is_not() -> None:
    floor = floor_in(State.SPEAKING)
    floor.rules = Rules(interrupts=False)
    assert hear(floor, SPEECH, 3.0) == []
    floor.rest()
    assert hear(floor, SPEECH, 0.02) == [(0.02, Act.BEGIN)], "what began over the answer belongs to the next turn"
    assert floor.speech == pytest.approx(3.02)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("to", list(State))
def test_moves_outside_the_table_raise(state: State, to: State) -> None:
    floor = floor_in(state)
    if to in MOVES[state]:
        floor.move(to)
        assert floor.state is to
    else:
        with pytest.raises(IllegalMove):
            floor.move(to)
        assert floor.state is state


SOUNDS = st.lists(st.tuples(st.sampled_from([SPEECH, NOISE, QUIET, MURMUR]), st.floats(0.02, 2.0)), max_size=30)


@given(SOUNDS)
def test_the_floor_is_never_silent_for_good(sounds: list[tuple[tuple[bool, float], float]]) -> None:
    """Whatever was heard: after quiet, an answer is either going on or over, never paused; a turn has ended."""
    floor = floor_in(State.SPEAKING)
    for sound, seconds in sounds:
        hear(floor, sound, seconds)
    hear(floor, QUIET, 1.0)
    assert floor.state in (State.SPEAKING, State.THINKING)


@given(SOUNDS)
def test_acts_alternate_as_a_session_needs_them(sounds: list[tuple[tuple[bool, float], float]]) -> None:
    floor = floor_in(State.SPEAKING)
    acts = [act for sound, seconds in sounds for _, act in hear(floor, sound, seconds)]
    follows = {
        Act.PAUSE: {Act.RESUME, Act.CUT},
        Act.RESUME: {Act.PAUSE},
        Act.CUT: {Act.BEGIN},
        Act.BEGIN: {Act.END},
        Act.END: {Act.CUT},  # no answer is given here: the caller goes on while we think
    }
    for act, following in zip(acts, acts[1:], strict=False):
        assert following in follows[act]
