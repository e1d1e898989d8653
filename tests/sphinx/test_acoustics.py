"""The acoustic model without PocketSphinx's decoder, and the front end as a stream."""

from pathlib import Path

import numpy as np
import pytest

from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, Samples, resample
from voicechat.config import Settings
from voicechat.errors import EngineFailed
from voicechat.sphinx.acoustics import REACH, Acoustics, features
from voicechat.sphinx.decoder import model
from voicechat.sphinx.front import Front


def said(text: str) -> Samples:
    voice = espeak.load(Settings())
    sound = np.concatenate([piece.samples for piece in voice.synthesize(text, "")])
    return resample(sound, voice.rate, LISTEN_RATE)


def test_slope_and_curvature_of_a_straight_line() -> None:
    line = np.arange(10, dtype=np.float32)[:, None].repeat(13, axis=1)
    found = features(line)
    assert found.shape == (10 - 2 * REACH, 3, 13)
    assert np.all(found[:, 0, 0] == line[REACH:-REACH, 0])
    assert np.all(found[:, 1] == 4.0)
    assert np.all(found[:, 2] == 0.0)


def test_a_hiss_is_no_vowel() -> None:
    names = ["AA", "IY", "OW", "S", "SH", "Z"]
    order = "+NSN+ +SPN+ AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH SIL".split()
    order += "T TH UH UW V W Y Z ZH".split()
    acoustics = Acoustics(model("en-us"))
    assert acoustics.phones == len(order)
    front = Front()
    sound = said("see")
    cepstra = front.hear(sound)
    front.close()
    likely = acoustics.likelihoods(features(cepstra - cepstra.mean(axis=0)))
    scores = {name: likely[:, order.index(name)] for name in names}
    loud = cepstra[REACH:-REACH, 0] > np.median(cepstra[:, 0])
    first, last = np.flatnonzero(loud)[[0, -1]]
    early, late = slice(first, first + 5), slice(last - 8, last - 3)
    assert max(scores["S"][early].mean(), scores["SH"][early].mean()) > scores["AA"][early].mean()
    assert scores["IY"][late].mean() > scores["S"][late].mean()


def test_a_stream_hears_the_same_in_pieces() -> None:
    sound = said("one two three")
    whole, pieces = Front(), Front()
    at_once = whole.hear(sound)
    bit_by_bit = np.concatenate([pieces.hear(sound[at : at + 320]) for at in range(0, len(sound), 320)])
    whole.close()
    pieces.close()
    assert len(at_once) == len(bit_by_bit)
    assert np.allclose(at_once, bit_by_bit, atol=1e-4)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "means").write_bytes(b"s3\nendhdr\n" + bytes(64))
    with pytest.raises(EngineFailed, match="cannot be read"):
        Acoustics(tmp_path)
