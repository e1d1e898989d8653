"""The tone is exact: length, words and wave."""

import numpy as np

from voicechat.adapters.tts import tone
from voicechat.config import Settings


def test_a_word_is_sixty_milliseconds_in_pieces_of_twenty() -> None:
    pieces = list(tone.load(Settings()).synthesize("one two three", ""))
    assert [len(piece.samples) for piece in pieces] == [960] * 9
    assert [piece.text for piece in pieces] == ["one", "", "", "two", "", "", "three", "", ""]


def test_words_that_begin_inside_a_piece_belong_to_it() -> None:
    pieces = list(tone.load(Settings()).synthesize("one two three", "tone", speed=4.0))
    assert [len(piece.samples) for piece in pieces] == [960, 960, 240]
    assert [piece.text for piece in pieces] == ["one two", "three", ""]


def test_the_wave_has_no_break_between_pieces() -> None:
    sound = np.concatenate([piece.samples for piece in tone.load(Settings()).synthesize("a b c d", "")])
    steps = np.abs(np.diff(sound.astype(int)))
    assert steps.max() <= 8_000 * 2 * np.pi * 440 / 48_000 + 2
    assert np.abs(np.fft.rfft(sound)).argmax() == round(440 * len(sound) / 48_000)
