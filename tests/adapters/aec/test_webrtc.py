"""The echo canceller in rooms made of numbers; and a sound card that uses it."""

import importlib.util

import numpy as np
import pytest

from tests.rooms import FRAME, Microphone, Room, Sound, at_level
from voicechat.adapters.aec import webrtc
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, Samples, level, resample
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, VoicechatError
from voicechat.terminal import talk
from voicechat.terminal.handset import RATE, Deafened

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("pywebrtc_audio") is None, reason="needs the extra aec: pip install 'voicechat[aec]'"
)

ANSWER = "Sure. The museum has three floors, a cafe, and a small shop where you can buy books. It opens at nine."


def said(text: str, voice: str, decibels: float) -> Sound:
    engine = espeak.load(Settings())
    whole = np.concatenate([piece.samples for piece in engine.synthesize(text, voice)])
    return at_level(resample(whole, engine.rate, LISTEN_RATE), decibels)


def frames(sound: Sound) -> list[Samples]:
    whole = np.clip(sound, -32768, 32767).astype(np.int16)
    return list(whole[: len(whole) // FRAME * FRAME].reshape(-1, FRAME))


@needs_package
@pytest.mark.parametrize("delay", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("coupling", [-6.0, -20.0])
def test_echo_loses_fifteen_decibels_and_a_caller_who_speaks_over_it_is_kept(delay: float, coupling: float) -> None:
    answer = np.concatenate([said(ANSWER, "en-gb", -20.0)] * 2)
    microphone = Microphone(Room(coupling, delay), 30.0, np.random.default_rng(1))
    caller = said("And where can I buy a ticket for two children?", "en-us", -20.0 + coupling + 3.0)
    at = len(answer) / LISTEN_RATE - 3.5
    microphone.speak(caller, at)
    canceller = webrtc.load()
    heard, left = [], []
    for played in frames(answer):
        heard.append(microphone.hear(played))
        left.append(canceller.cancel(heard[-1], played))
    learned, spoken = round(2.0 / 0.02), round(at / 0.02)
    echo = np.concatenate(heard[learned:spoken])
    rest = np.concatenate(left[learned:spoken])
    assert level(echo) - level(rest) >= 15.0
    kept = np.concatenate(left[spoken : spoken + len(caller) // FRAME])
    assert level(kept) - level(caller.astype(np.int16)) >= -7.0
    assert level(kept) - level(rest) >= 12.0


@needs_package
def test_sound_card_at_its_own_rate_is_rid_of_its_echo_frame_by_frame() -> None:
    answer = np.concatenate([said(ANSWER, "en-gb", -20.0)] * 2)
    played = frames(resample(answer.astype(np.int16), LISTEN_RATE, RATE)[: len(answer) * 3 // 2].astype(np.float64))
    size = round(RATE * 0.02)
    whole = np.concatenate(played)
    card = Deafened(webrtc.load())
    echo = np.concatenate([np.zeros(3 * size, np.int16), (whole * 0.3).astype(np.int16)])
    heard = [echo[start : start + size] for start in range(0, len(whole) - size + 1, size)]
    ours = [whole[start : start + size] for start in range(0, len(whole) - size + 1, size)]
    left = [card.hear(near, far) for near, far in zip(heard, ours, strict=True)]
    assert {len(frame) for frame in left} == {size}
    assert level(np.concatenate(heard[100:])) - level(np.concatenate(left[100:])) >= 15.0


@needs_package
def test_caller_with_headphones_is_left_as_they_are_once_it_has_found_no_echo() -> None:
    answer = np.concatenate([said(ANSWER, "en-gb", -20.0)] * 3)
    caller = said("Can you tell me when the next tour begins?", "en-us", -25.0)
    microphone = Microphone(Room(None), 30.0, np.random.default_rng(1))
    microphone.speak(caller, 10.0)
    canceller = webrtc.load()
    pairs = [(heard := microphone.hear(played), canceller.cancel(heard, played)) for played in frames(answer)]
    spoken = pairs[500 : 500 + len(caller) // FRAME]
    heard, left = (np.concatenate(part) for part in zip(*spoken, strict=True))
    assert level(left) == pytest.approx(level(heard), abs=1.5)


def test_absent_package_is_named_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AdapterUnavailable, match=r"pip install 'voicechat\[aec\]'") as caught:
        talk.choose_canceller("webrtc")
    assert caught.value.code == "no_canceller"
    assert talk.choose_canceller("auto") is None
    assert talk.choose_canceller("none") is None


def test_unknown_canceller_is_refused_with_those_there_are() -> None:
    with pytest.raises(VoicechatError, match="found 'speex'; allowed: auto, none, webrtc"):
        talk.choose_canceller("speex")
