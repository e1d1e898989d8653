"""The floor, by tables: what the two stages hear of 20 ms frames, and what is to be done when."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.errors import IllegalMove
from voicechat.events import State
from voicechat.turn import MOVES, NO_CLUES, Act, Clues, Floor
from voicechat.turntaking.interjections import Interjections
from voicechat.turntaking.rules import Profile, Rules

FRAME = 0.02
RULES = Rules(interjections=Interjections(["mhm", "okay", "i see"], ["stop", "hold on"]))

# What a spotter says of a candidate
WORDS = Clues(back_channel=0.01)
LIKELY_WORDS = Clues(back_channel=0.2)
UNKNOWN = Clues(back_channel=0.5)
HUM = Clues(back_channel=0.9)

# What one frame sounds like: (voiced, probability of speech)
SPEECH = (True, 0.9)
NOISE = (True, 0.05)
QUIET = (False, 0.02)
MURMUR = (True, 0.4)  # below the threshold, above it less the hysteresis


def hear(
    floor: Floor, sound: tuple[bool, float], seconds: float, clues: Clues = NO_CLUES
) -> list[tuple[float, Act]]:
    """Feeds the sound; the acts with the second (of this sound) at which each came."""
    acts = []
    for frame in range(round(seconds / FRAME)):
        acts += [(round((frame + 1) * FRAME, 3), act) for act in floor.hear(*sound, FRAME, clues)]
    return acts


def floor_in(state: State, rules: Rules = RULES) -> Floor:
    floor = Floor(rules)
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
            [(30.0, Act.END), (30.02, Act.PAUSE), (30.3, Act.CUT), (30.3, Act.BEGIN)],
            State.LISTENING,
            id="a turn has a longest length, and who speaks on begins another",
        ),
        pytest.param(State.SPEAKING, [(SPEECH, 0.1)], [(0.06, Act.PAUSE)], State.BARGED_IN, id="a voice pauses"),
        pytest.param(
            State.SPEAKING,
            [(SPEECH, 0.7)],
            [(0.06, Act.PAUSE), (0.5, Act.CUT), (0.5, Act.BEGIN)],
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
        pytest.param(
            State.SPEAKING,
            [(SPEECH, 0.2), (QUIET, 0.2), (SPEECH, 0.2), (QUIET, 0.4), (SPEECH, 0.4), (QUIET, 0.4)],
            [(0.06, Act.PAUSE), (0.9, Act.RESUME), (1.06, Act.PAUSE), (1.7, Act.RESUME)],
            State.SPEAKING,
            id="interjections do not add up",
        ),
        pytest.param(
            State.SPEAKING,
            [(NOISE, 1.0), ((True, 0.9), 0.7)],
            [(0.06, Act.PAUSE), (0.36, Act.RESUME), (1.02, Act.PAUSE), (1.5, Act.CUT), (1.5, Act.BEGIN)],
            State.LISTENING,
            id="speech over a noise that was found to be nothing still interrupts",
        ),
        pytest.param(
            State.SPEAKING,
            [(SPEECH, 0.06), *[(QUIET, 0.2), (SPEECH, 0.1)] * 15],
            [(0.06, Act.PAUSE), (1.5, Act.CUT), (1.5, Act.BEGIN)],
            State.LISTENING,
            id="an utterance of short words is counted as one",
        ),
        pytest.param(State.SPEAKING, [(QUIET, 9.0)], [], State.SPEAKING, id="silence changes nothing"),
        pytest.param(
            State.THINKING,
            [(NOISE, 0.2), (QUIET, 3.0)],
            [(0.06, Act.PAUSE), (0.36, Act.RESUME)],
            State.THINKING,
            id="a cough holds back the answer that is being made, and does not stop it",
        ),
        pytest.param(
            State.LISTENING,
            [(NOISE, 3.0)],
            [(0.3, Act.END)],
            State.THINKING,
            id="a noise that goes on after a turn does not hold the answer back",
        ),
        pytest.param(
            State.THINKING,
            [(SPEECH, 0.4)],
            [(0.06, Act.PAUSE), (0.3, Act.CUT), (0.3, Act.BEGIN)],
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


@pytest.mark.parametrize(
    ("sound", "clues", "acts"),
    [
        pytest.param(0.3, WORDS, [(0.06, Act.PAUSE), (0.12, Act.CUT), (0.12, Act.BEGIN)], id="known words cut early"),
        pytest.param(0.9, LIKELY_WORDS, [(0.06, Act.PAUSE)], id="likely words are waited for"),
        pytest.param(0.9, UNKNOWN, [(0.06, Act.PAUSE)], id="what may as well be one as not is waited for"),
        pytest.param(0.7, HUM, [(0.06, Act.PAUSE)], id="what may be a back-channel is waited for"),
        pytest.param(1.1, HUM, [(0.06, Act.PAUSE), (1.0, Act.CUT), (1.0, Act.BEGIN)], id="though not for ever"),
    ],
)
def test_a_spotter_tells_words_from_back_channels(sound: float, clues: Clues, acts: list[tuple[float, Act]]) -> None:
    assert hear(floor_in(State.SPEAKING), SPEECH, sound, clues) == acts


def test_a_voice_that_may_be_our_own_echo_interrupts_once_an_echo_would_have_ended() -> None:
    clues = replace(WORDS, unsure=True)
    assert hear(floor_in(State.SPEAKING), SPEECH, 0.5, clues) == [(0.06, Act.PAUSE)]
    acts = [(0.06, Act.PAUSE), (0.6, Act.CUT), (0.6, Act.BEGIN)]
    assert hear(floor_in(State.SPEAKING), SPEECH, 0.7, clues) == acts


def test_the_words_of_an_echo_interrupt_nobody() -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH, 0.3, replace(WORDS, unsure=True))
    assert floor.read("please stop talking about dinosaurs") == ()
    assert floor.state is State.BARGED_IN


def test_what_cannot_be_decided_is_decided_after_a_while() -> None:
    floor = floor_in(State.SPEAKING)
    acts = hear(floor, SPEECH, 0.1, HUM)
    for _ in range(14):
        acts += hear(floor, QUIET, 0.2, HUM) + hear(floor, SPEECH, 0.1, HUM)
    assert [act for _, act in acts] == [Act.PAUSE, *CUT]


CUT = (Act.CUT, Act.BEGIN)


@pytest.mark.parametrize(
    ("spoken", "text", "acts"),
    [
        pytest.param(0.3, "could you", CUT, id="words are an interruption"),
        pytest.param(0.3, "could", (), id="one word is not"),
        pytest.param(0.3, "Okay. Mmhm, I see.", (), id="back-channels are not"),
        pytest.param(0.3, "okay but why", CUT, id="words after a back-channel are"),
        pytest.param(0.3, "Stop!", CUT, id="a stop phrase is, alone"),
        pytest.param(0.3, "okay hold on", CUT, id="a stop phrase is, after a back-channel"),
        pytest.param(0.0, "thank you for watching", (), id="words without speech are a fancy"),
    ],
)
def test_partial_texts_decide_a_candidate(spoken: float, text: str, acts: tuple[Act, ...]) -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH if spoken else NOISE, spoken or 0.1)
    assert floor.read(text) == acts


def test_a_back_channel_that_was_read_is_waited_for_and_words_after_it_are_not() -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH, 0.4)
    floor.read("okay")
    assert hear(floor, SPEECH, 0.2) == [], "it would have been cut without the text"
    floor.read("okay but")
    assert hear(floor, SPEECH, 0.02) == [(0.02, Act.CUT), (0.02, Act.BEGIN)]


def test_texts_move_nothing_when_there_is_no_candidate() -> None:
    for state in set(State) - {State.BARGED_IN}:
        assert floor_in(state).read("stop") == ()


@pytest.mark.parametrize("state", [State.SPEAKING, State.THINKING])
@pytest.mark.parametrize(
    ("min_words", "text", "after"),
    [
        pytest.param(0, "could you tell me something", 2.0, id="words never do"),
        pytest.param(9, "could you tell me something", 2.0, id="too few words do not"),
        pytest.param(2, "okay but", 2.0, id="back-channels are no words"),
        pytest.param(1, "but", 0.3, id="one may be enough"),
        pytest.param(0, "stop", 0.3, id="a stop phrase is, whatever is said of words"),
    ],
)
def test_so_many_words_are_an_interruption_and_fewer_leave_it_to_the_sound(
    state: State, min_words: int, text: str, after: float
) -> None:
    profile, other = Profile(confirm=0.12, confirm_alone=2.0, min_words=min_words), Profile(confirm_alone=0.2)
    heard = state is State.SPEAKING
    rules = replace(RULES, speaking=profile if heard else other, waiting=other if heard else profile)
    floor = floor_in(state, rules)
    acts = hear(floor, SPEECH, 0.3)
    acts += [(0.3, act) for act in floor.read(text)]
    acts += [(round(0.3 + at, 3), act) for at, act in hear(floor, SPEECH, 2.0)]
    assert acts[:3] == [(0.06, Act.PAUSE), (after, Act.CUT), (after, Act.BEGIN)]


def test_fewer_words_than_are_wanted_do_not_outvote_the_spotter() -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH, 0.3, HUM)
    floor.read("but")
    assert hear(floor, SPEECH, 0.6, HUM) == []


def test_words_that_were_understood_in_a_doubt_about_echo_count_when_it_is_over() -> None:
    floor = floor_in(State.SPEAKING, replace(RULES, speaking=Profile(confirm=3.0, confirm_alone=3.0)))
    hear(floor, SPEECH, 0.3, Clues(unsure=True))
    assert floor.read("could you") == ()
    assert hear(floor, SPEECH, 0.4) == [(0.3, Act.CUT), (0.3, Act.BEGIN)]


@pytest.mark.parametrize("after", [0.1, 0.2, 1.0, 3.0, 6.0])
@pytest.mark.parametrize("state", [State.SPEAKING, State.THINKING])
@pytest.mark.parametrize(
    ("knob", "clues"), [("confirm", WORDS), ("confirm_alone", NO_CLUES), ("longest_back_channel", HUM)]
)
def test_an_interruption_takes_as_much_speech_as_its_knob_says(
    state: State, knob: str, clues: Clues, after: float
) -> None:
    profile = Profile(
        confirm=after if knob == "confirm" else 0.0, confirm_alone=after if knob == "confirm_alone" else 0.0
    )
    rules = replace(RULES, speaking=profile, waiting=profile, longest_back_channel=after)
    floor = floor_in(state, rules)
    assert hear(floor, SPEECH, 7.0, clues) == [(0.06, Act.PAUSE), (after, Act.CUT), (after, Act.BEGIN)]


@pytest.mark.parametrize("release", [0.1, 0.3, 2.0, 5.0])
def test_an_answer_goes_on_after_as_much_quiet_as_the_knob_says(release: float) -> None:
    floor = floor_in(State.SPEAKING, replace(RULES, release=release))
    hear(floor, SPEECH, 0.1)
    assert hear(floor, QUIET, 6.0) == [(release, Act.RESUME)]


@pytest.mark.parametrize(("listed", "cut"), [((), 0.3), (("banana", "mhm"), 1.0), (("mhm",), 0.5)])
def test_only_what_is_listed_is_a_back_channel_by_its_words(listed: tuple[str, ...], cut: float) -> None:
    floor = floor_in(State.SPEAKING, replace(RULES, interjections=Interjections(listed)))
    hear(floor, SPEECH, 0.3)
    acts = [(0.3, act) for act in floor.read("mhm banana")]
    acts += [(round(0.3 + at, 3), act) for at, act in hear(floor, SPEECH, 1.0)]
    assert acts == [(cut, Act.CUT), (cut, Act.BEGIN)]


def test_speech_goes_on_a_little_below_the_threshold_from_which_it_is_speech() -> None:
    rules = replace(RULES, speaking=Profile(threshold=0.9))
    assert [act for _, act in hear(floor_in(State.SPEAKING, rules), (True, 0.88), 2.0)] == [Act.PAUSE, Act.RESUME]
    floor = floor_in(State.SPEAKING, rules)
    acts = hear(floor, (True, 0.92), 0.1) + hear(floor, (True, 0.8), 0.5)
    assert [act for _, act in acts] == [Act.PAUSE, *CUT]


@pytest.mark.parametrize(
    ("frames", "second"), [("XXX", 0.06), ("X.X", 0.06), ("X..X", 0.08), ("X....X", 0.12), ("X.....X", None)]
)
def test_a_hole_in_a_beginning_voice_does_not_delay_the_pause(frames: str, second: float | None) -> None:
    floor = floor_in(State.SPEAKING)
    acts = [floor.hear(*(NOISE if frame == "X" else QUIET), FRAME) for frame in frames]
    assert [at for at, found in enumerate(acts, 1) if found == (Act.PAUSE,)] == (
        [] if second is None else [round(second / FRAME)]
    )


@pytest.mark.parametrize("pause_after", [0.06, 0.3, 0.6])
def test_a_hint_of_speech_in_a_noise_pauses_in_a_third_of_the_time(pause_after: float) -> None:
    floor = floor_in(State.SPEAKING, replace(RULES, speaking=Profile(pause_after=pause_after)))
    assert [act for _, act in hear(floor, NOISE, 1.0)] == [Act.PAUSE, Act.RESUME]
    assert hear(floor, MURMUR, 0.25)[:1] == [(round(pause_after / 3, 3), Act.PAUSE)]


def test_speech_that_sets_in_just_when_a_noise_is_given_up_interrupts() -> None:
    floor = floor_in(State.SPEAKING)
    sounds = [(NOISE, 0.34), (MURMUR, 0.1), (SPEECH, 0.5)]
    acts = [act for sound, seconds in sounds for _, act in hear(floor, sound, seconds)]
    assert acts[0] is Act.PAUSE and acts[-1] is Act.BEGIN


def test_a_hint_of_speech_keeps_an_answer_waiting_for_a_moment_only() -> None:
    floor = floor_in(State.SPEAKING)
    assert hear(floor, NOISE, 0.3) == [(0.06, Act.PAUSE)]
    assert hear(floor, MURMUR, 2.0) == [(0.2, Act.RESUME)]


def test_speech_after_a_hint_that_was_given_up_interrupts_without_a_pause_between() -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, NOISE, 0.3)
    hear(floor, MURMUR, 0.5)
    assert hear(floor, SPEECH, 0.2, WORDS) == [(0.06, Act.PAUSE), (0.12, Act.CUT), (0.12, Act.BEGIN)]


@pytest.mark.parametrize(("probability", "begins"), [(0.9, 0.1), (0.8, 0.1), (0.7, 0.4), (0.5, 0.4)])
def test_clear_speech_begins_a_turn_sooner_than_what_is_only_likely(probability: float, begins: float) -> None:
    assert hear(floor_in(State.IDLE), (True, probability), 0.4) == [(begins, Act.BEGIN)]


def test_while_an_answer_is_heard_and_while_it_is_made_other_rules_hold() -> None:
    rules = Rules(speaking=Profile(confirm_alone=1.0, threshold=0.95), waiting=Profile(confirm_alone=0.2))
    assert hear(floor_in(State.THINKING, rules), SPEECH, 0.3)[1:] == [(0.2, Act.CUT), (0.2, Act.BEGIN)]
    assert hear(floor_in(State.SPEAKING, rules), SPEECH, 0.9) == [(0.06, Act.PAUSE), (0.3 + 0.06, Act.RESUME)]
    assert hear(floor_in(State.IDLE, rules), SPEECH, 0.1) == [(0.1, Act.BEGIN)]


def test_ducking_comes_before_the_pause_and_noise_never_pauses() -> None:
    rules = Rules(ducks=True)
    assert hear(floor_in(State.SPEAKING, rules), NOISE, 0.5) == [(0.06, Act.DUCK), (0.36, Act.RESUME)]
    assert hear(floor_in(State.SPEAKING, rules), SPEECH, 0.6) == [
        (0.06, Act.DUCK),
        (0.1, Act.PAUSE),
        (0.5, Act.CUT),
        (0.5, Act.BEGIN),
    ]
    assert hear(floor_in(State.THINKING, rules), NOISE, 0.1) == [(0.06, Act.PAUSE)], "what is not heard is held back"


def test_a_voice_in_the_last_words_belongs_to_the_next_turn() -> None:
    floor = floor_in(State.SPEAKING)
    assert hear(floor, SPEECH, 0.2, Clues(ending=True)) == []
    floor.rest()
    assert hear(floor, SPEECH, 0.02) == [(0.02, Act.BEGIN)]
    assert floor.speech == pytest.approx(0.22)


def test_what_was_said_in_the_last_words_is_the_next_turn_though_it_ended_before_them() -> None:
    floor = floor_in(State.SPEAKING)
    ending = Clues(ending=True)
    assert hear(floor, SPEECH, 0.2, ending) + hear(floor, QUIET, 0.2, ending) == []
    assert floor.state is State.SPEAKING
    floor.rest()
    assert hear(floor, QUIET, 0.02) == [(0.02, Act.BEGIN)]
    assert floor.speech == pytest.approx(0.42), "all of it is heard, from its first sound"
    assert hear(floor, QUIET, 1.0) == [(0.08, Act.END)]
    floor.rest()
    assert hear(floor, QUIET, 1.0) == [], "and once"


def test_what_was_said_in_the_last_words_and_cleared_does_not_come_back() -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH, 0.2, Clues(ending=True))
    hear(floor, QUIET, 0.2, Clues(ending=True))
    floor.rest()
    assert hear(floor, QUIET, 0.02) == [(0.02, Act.BEGIN)]
    floor.rest()  # the caller's program has cleared it
    assert hear(floor, QUIET, 1.0) == []


@pytest.mark.parametrize("sound", [NOISE, QUIET])
def test_what_is_no_speech_in_the_last_words_begins_nothing(sound: tuple[bool, float]) -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, sound, 0.3, Clues(ending=True))
    hear(floor, SPEECH, 0.3, Clues(ending=True, unsure=True))
    hear(floor, QUIET, 0.2, Clues(ending=True))
    floor.rest()
    assert hear(floor, QUIET, 1.0) == []


@pytest.mark.parametrize(
    ("sound", "acts", "ends"),
    [
        (SPEECH, [(0.04, Act.BEGIN)], State.LISTENING),
        (QUIET, [(0.3, Act.RESUME)], State.IDLE),
    ],
)
def test_a_candidate_that_outlives_the_answer_is_the_next_turn_or_nothing(
    sound: tuple[bool, float], acts: list[tuple[float, Act]], ends: State
) -> None:
    floor = floor_in(State.SPEAKING)
    hear(floor, SPEECH, 0.06)
    floor.rest()
    assert hear(floor, sound, 0.4) == acts
    assert floor.state is ends


def test_an_answer_that_begins_during_a_candidate_waits_for_it() -> None:
    floor = floor_in(State.IDLE)
    floor.think()
    hear(floor, NOISE, 0.1)
    floor.think()
    assert hear(floor, QUIET, 0.5) == [(0.26, Act.RESUME)]
    assert floor.state is State.THINKING


def test_the_callers_program_may_take_a_candidate() -> None:
    floor = floor_in(State.SPEAKING)
    assert floor.take() == ()
    hear(floor, NOISE, 0.1)
    assert floor.take() == CUT


def test_somebody_may_know_better_how_long_a_silence_must_be() -> None:
    floor = floor_in(State.LISTENING)
    assert hear(floor, QUIET, 1.0, Clues(silence=0.8)) == [(0.8, Act.END)]


@pytest.mark.parametrize(
    ("sounds", "acts"),
    [
        pytest.param([(QUIET, 0.6)], [(0.16, Act.EXPECT), (0.5, Act.END)], id="once in a silence that ends the turn"),
        pytest.param(
            [(QUIET, 0.3), (SPEECH, 0.3), (QUIET, 0.3)],
            [(0.16, Act.EXPECT), (0.32, Act.GO_ON), (0.76, Act.EXPECT)],
            id="once in each silence that does not",
        ),
        pytest.param([(QUIET, 0.3), (NOISE, 0.4)], [(0.16, Act.EXPECT), (0.5, Act.END)], id="noise is not going on"),
        pytest.param([(QUIET, 0.14), (SPEECH, 0.3)], [], id="not in a short one"),
    ],
)
def test_the_end_of_a_turn_is_expected(
    sounds: list[tuple[tuple[bool, float], float]], acts: list[tuple[float, Act]]
) -> None:
    floor = floor_in(State.LISTENING, replace(RULES, silence=0.5, preempt_after=0.16))
    hear(floor, SPEECH, 0.3)
    clock, found = 0.0, []
    for sound, seconds in sounds:
        found += [(round(clock + at, 3), act) for at, act in hear(floor, sound, seconds)]
        clock += seconds
    assert found == acts


@pytest.mark.parametrize("silence", [0.1, 0.16])
def test_the_end_of_a_turn_that_comes_as_soon_is_not_expected(silence: float) -> None:
    floor = floor_in(State.LISTENING, replace(RULES, preempt_after=0.16))
    assert hear(floor, QUIET, 0.3, Clues(silence=silence)) == [(silence, Act.END)]


@pytest.mark.parametrize("state", [State.IDLE, State.THINKING, State.SPEAKING])
def test_only_the_end_of_the_callers_turn_is_expected(state: State) -> None:
    assert hear(floor_in(state, replace(RULES, preempt_after=0.16)), QUIET, 1.0) == []


def test_time_without_frames_is_silence_but_no_audio() -> None:
    floor = floor_in(State.LISTENING)
    assert floor.lapse(1.0) == (Act.END,)
    assert floor.clock == 0.0


@pytest.mark.parametrize("state", [State.THINKING, State.SPEAKING])
def test_an_answer_without_progress_is_given_up(state: State) -> None:
    floor = floor_in(state)
    assert hear(floor, QUIET, 61.0, Clues(sounding=False)) == [(60.0, Act.GIVE_UP)]
    assert floor.state is State.IDLE
    assert hear(floor_in(State.SPEAKING), QUIET, 200.0, Clues(sounding=True)) == [], "a long answer is not"


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
def test_an_answer_is_never_paused_for_good(sounds: list[tuple[tuple[bool, float], float]]) -> None:
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
        Act.END: {Act.PAUSE},  # no answer is given here: the caller goes on while we think
    }
    for act, following in zip(acts, acts[1:], strict=False):
        assert following in follows[act]


class Answerer:
    """A session around the floor that answers or does not, and loses nothing it is asked to keep."""

    def __init__(self) -> None:
        self.floor = Floor(Rules(ducks=False))
        self.open = 0  # utterances that were begun and not ended
        self.paused = False

    def do(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            match act:
                case Act.BEGIN:
                    self.open += 1
                    self.paused = False
                case Act.END:
                    self.open -= 1
                case Act.PAUSE:
                    self.paused = True
                case Act.RESUME | Act.GIVE_UP:
                    self.paused = False

    def happen(self, what: str) -> None:
        floor = self.floor
        match what:
            case "think" if floor.state is not State.LISTENING and floor.state is not State.SPEAKING:
                floor.think()
            case "speak" if floor.state is State.THINKING:
                floor.speak()
            case "rest" if floor.state is not State.LISTENING:
                floor.rest()
            case "take":
                self.do(floor.take())
            case "stop" | "mhm" | "could you please":
                self.do(floor.read(what))
            case "lapse":
                self.do(floor.lapse(1.0))
            case "push" | "detect":
                floor.rules = Rules(detects=what == "detect")


HAPPENINGS = st.one_of(
    st.tuples(st.sampled_from([SPEECH, NOISE, QUIET, MURMUR]), st.floats(0.02, 2.0), st.booleans()),
    st.sampled_from(
        ["think", "speak", "rest", "take", "stop", "mhm", "could you please", "lapse", "push", "detect"]
    ),
)


@given(st.lists(HAPPENINGS, max_size=40))
def test_the_floor_is_never_silent_for_good(happenings: list[tuple[tuple[bool, float], float, bool] | str]) -> None:
    """From wherever it has come, and though no engine ever answers: it comes to rest, and a new utterance is heard."""
    session = Answerer()
    for what in happenings:
        if isinstance(what, str):
            session.happen(what)
            continue
        sound, seconds, sounding = what
        for _ in range(round(seconds / FRAME)):
            session.do(session.floor.hear(*sound, FRAME, Clues(sounding=sounding)))
    session.happen("detect")
    for _ in range(100):
        session.do(session.floor.lapse(1.0, Clues(sounding=False)))
    assert session.floor.state is State.IDLE
    assert not session.paused
    acts = [act for sound in (SPEECH, QUIET) for _, act in hear(session.floor, sound, 1.0)]
    assert acts == [Act.BEGIN, Act.END]
