from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faster_whisper
import numpy as np
import pytest

from tests.tiny import whisper as tiny
from voicechat.adapters.asr.whisper import WhisperEngine
from voicechat.adapters.whisper.window import Piece, Window, _pieces
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples

SENTENCE = " Hello, how are you?"


def noise(seconds: float) -> Samples:
    return (3000 * np.random.default_rng(0).standard_normal(round(seconds * LISTEN_RATE))).astype(np.int16)


class Counted:
    """CTranslate2's model; counts the sound that is encoded, in windows of 30 s, and the tokens written."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.windows, self.tokens = 0.0, 0
        self.prompts: list[list[int]] = []
        self.temperatures: list[float] = []
        self.scores: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode(self, features: Any) -> Any:
        self.windows += features.shape[2] / 3000
        return self._inner.encode(features)

    def generate(self, features: Any, prompts: Sequence[list[int]], **options: Any) -> Any:
        self.prompts += prompts
        self.temperatures.append(options.get("sampling_temperature", 0.0))
        results = self._inner.generate(features, prompts, **options)
        self.tokens += sum(len(result.sequences_ids[0]) for result in results)
        return results


Build = Callable[..., tuple[Window, Counted]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def window(say: str = SENTENCE, *, fitted: bool = False, **options: Any) -> tuple[Window, Counted]:
        path = tiny.build(tmp_path, say, **options)
        model = faster_whisper.WhisperModel(str(path), device="cpu", compute_type="int8", cpu_threads=1)
        model.model = counted = Counted(model.model)
        return Window(model, fitted=fitted), counted

    return window


def test_one_window_is_encoded_once_whatever_the_length(build: Build) -> None:
    window, counted = build()
    for seconds in (0.02, 3.0, 70.0):
        assert window.hear(noise(seconds), None).text == SENTENCE
    assert counted.windows == 3


def test_fitted_window_is_little_more_than_the_sound(build: Build) -> None:
    window, counted = build(fitted=True)
    for seconds, frames in ((0.3, 500), (4.4, 500), (4.8, 1000), (29.0, 3000), (60.0, 3000)):
        counted.windows = 0.0
        assert window.hear(noise(seconds), "en").text == SENTENCE
        assert counted.windows * 3000 == pytest.approx(frames)


def test_decoder_is_reminded_of_the_end_of_the_text_before(build: Build) -> None:
    window, counted = build()
    window.hear(noise(1.0), "en", before=SENTENCE)
    window.hear(noise(1.0), "en", before=SENTENCE * 100)
    window.hear(noise(1.0), "en", times=True)
    lengths = [len(prompt) for prompt in counted.prompts]
    assert lengths[2] == 3 and lengths[2] + 1 < lengths[0] < lengths[1] == 105


def test_text_is_in_pieces_between_times() -> None:
    class Tokens:
        timestamp_begin = 100

        @staticmethod
        def decode(tokens: list[int]) -> str:
            return "".join(map(chr, tokens))

    written = [100, 65, 66, 150, 150, 67, 200]
    assert list(_pieces(Tokens, written)) == [Piece("AB", 1.0), Piece("C", 2.0)]
    assert list(_pieces(Tokens, [*written, 210, 68])) == [Piece("AB", 1.0), Piece("C", 2.0), Piece("D", None)]
    assert list(_pieces(Tokens, [65])) == [Piece("A", None)]
    assert list(_pieces(Tokens, [100, 100])) == []


def test_doubtful_text_is_tried_at_another_temperature_and_no_further(build: Build) -> None:
    window, counted = build(" Thank you." * 20)
    assert window.hear(noise(3.0), "en", temperatures=(0.0, 0.4)).pieces == ()
    assert counted.temperatures == [0.0, 0.4]
    once = window.hear(noise(3.0), "en")
    assert not once.sure and once.pieces == ()


def test_what_a_silent_model_makes_up_is_dropped_at_once(build: Build) -> None:
    window, counted = build(certainty=0.14, speech=False)
    assert window.hear(noise(1.0), "en", temperatures=(0.0, 0.4)).pieces == ()
    assert counted.temperatures == [0.0]


def words(count: int) -> Samples:
    """Noise with a gap in each half second, and quiet before and after."""
    sound = noise(count * 0.5).reshape(count, -1)
    sound[:, LISTEN_RATE * 4 // 10 :] = 3
    quiet = np.full(LISTEN_RATE * 3 // 10, 3, np.int16)
    return np.concatenate((quiet, sound.reshape(-1), quiet))


@pytest.mark.parametrize("seconds", [1, 3, 7, 12])
def test_final_transcript_costs_next_to_nothing_after_the_partials(build: Build, seconds: int) -> None:
    window, counted = build()
    clock = iter(np.arange(0, 1000, 0.02))  # each reading takes 20 ms
    engine = WhisperEngine(window, "en", lambda: float(next(clock)))
    sound = words(2 * seconds)
    fresh = engine.hear(sound, "en")
    whole = counted.windows, counted.tokens
    stream = engine.open("en")
    for part in np.array_split(sound, len(sound) // 1600):
        stream.accept(AudioFrame(part, LISTEN_RATE))
    before = counted.windows, counted.tokens
    assert stream.finish().text == fresh.text.strip() and before[0] > whole[0]
    assert counted.windows - before[0] <= 0.4 * whole[0]
    assert counted.tokens - before[1] <= 0.4 * whole[1]


@pytest.mark.parametrize("fitted", [False, True])
def test_words_are_weighed_by_the_decoders_own_probabilities(build: Build, fitted: bool) -> None:
    window, _ = build(fitted=fitted, certainty=0.14)
    hearing = window.hear(noise(1.5), "en", weighs=True)
    [piece] = hearing.pieces
    assert "".join(word.text for word in piece.weighed) == piece.text == SENTENCE
    assert [word.text for word in piece.weighed][:3] == [" Hello", ",", " how"]
    assert all(hearing.logprob < word.logprob < -0.01 for word in piece.weighed), "among words alone each is likelier"
    sure, _ = build(fitted=fitted)
    assert sum(word.logprob for word in sure.hear(noise(1.5), "en", weighs=True).pieces[0].weighed) > -0.01
    assert window.hear(noise(1.5), "en").pieces[0].weighed == ()


def test_what_was_imagined_is_not_weighed(build: Build) -> None:
    window, _ = build(certainty=0.14, speech=False)
    assert window.hear(noise(1.5), "en", weighs=True).pieces == ()
