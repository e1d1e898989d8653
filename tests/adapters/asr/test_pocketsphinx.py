import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from voicechat import config
from voicechat.adapters.agent import faq
from voicechat.adapters.asr import pocketsphinx
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, read_wav, resample, silence
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.turntaking.interjections import Interjections
from voicechat.words.spoken import plain

PROJECT = Path(__file__).parents[3]
QUIET = silence(0.35, LISTEN_RATE)


@pytest.fixture(scope="module")
def kiosk() -> Iterator[pocketsphinx.SphinxEngine]:
    settings = config.load(PROJECT / "config" / "kiosk.yaml", environ={}, dotenv="")
    engine = pocketsphinx.load(settings, faq.load(settings).phrases)
    yield engine
    engine.close()


@pytest.fixture
def say() -> Iterator["Say"]:
    voice = espeak.load(Settings())
    yield Say(voice)
    voice.close()


class Say:
    def __init__(self, voice: espeak.Espeak) -> None:
        self.voice = voice

    def __call__(self, text: str) -> Samples:
        sound = np.concatenate([part.samples for part in self.voice.synthesize(text, "")])
        return np.concatenate((QUIET, resample(sound, self.voice.rate, LISTEN_RATE), QUIET))


def understood(engine: pocketsphinx.SphinxEngine, sound: Samples) -> Transcript:
    stream = engine.open(None)
    for start in range(0, len(sound), 1600):
        stream.accept(AudioFrame(sound[start : start + 1600], LISTEN_RATE))
    transcript = stream.finish()
    stream.close()
    return transcript


@pytest.mark.parametrize(
    "question",
    [
        "Where can I see the dinosaurs?",
        "How long does the guided tour take?",
        "Is the museum accessible for wheelchairs?",
        "Is there a discount for students?",
        "Where is the entrance to the planetarium?",
    ],
)
@pytest.mark.parametrize("level", [1.0, 0.1])
def test_a_visitor_is_understood_loud_or_soft(
    kiosk: pocketsphinx.SphinxEngine, say: Say, question: str, level: float
) -> None:
    heard = understood(kiosk, (say(question) * level).astype(np.int16))
    assert heard.text == plain(question)
    assert heard.confidence > 0.4


@pytest.mark.parametrize("phrase", ["wait", "stop", "hold on", "be quiet", "that's enough", "wait a minute"])
def test_stop_phrases_are_understood(kiosk: pocketsphinx.SphinxEngine, say: Say, phrase: str) -> None:
    known = Interjections(stop_phrases=Settings().turn.barge_in.stop_phrases)
    assert known.stops(understood(kiosk, say(phrase)).text)


@pytest.mark.parametrize("phrase", ["okay", "really", "right"])
def test_back_channels_are_understood(kiosk: pocketsphinx.SphinxEngine, say: Say, phrase: str) -> None:
    assert understood(kiosk, say(phrase)).text == phrase


def test_politeness_around_a_question_is_understood(kiosk: pocketsphinx.SphinxEngine, say: Say) -> None:
    polite = "Excuse me, where can I see the dinosaurs, please?"
    assert understood(kiosk, say(polite)).text == plain(polite)


@pytest.mark.parametrize(
    "sentence",
    [
        "The quick brown fox jumps over the lazy dog.",
        "Where can I see the doctor?",
        "My grandmother bakes the best apple pie.",
        "How old is your brother?",
    ],
)
def test_other_sentences_are_not_taken_for_a_question(
    kiosk: pocketsphinx.SphinxEngine, say: Say, sentence: str
) -> None:
    phrases = {plain(phrase) for phrase in faq.load(config.load(PROJECT / "config" / "kiosk.yaml")).phrases}
    assert understood(kiosk, say(sentence)).text not in phrases


def test_people_who_talk_of_something_else_are_not_taken_for_visitors(
    kiosk: pocketsphinx.SphinxEngine, speech: Path
) -> None:
    for name in ("sb_spk1_snt1", "sb_spk1_snt2", "vctk_clean_001", "austen_0880", "LJ001-0002"):
        assert understood(kiosk, read_wav(speech / f"{name}.wav").samples).confidence == 0.5, name


def test_people_are_understood_when_their_sentence_is_expected(speech: Path) -> None:
    spoken = {"lamp": "turn on the living room lamp", "goforward": "go forward ten meters"}
    engine = pocketsphinx.load(Settings(), [*spoken.values(), "where are the toilets", "go somewhere else"])
    for name, text in spoken.items():
        heard = understood(engine, read_wav(speech / f"{name}.wav").samples)
        assert heard.text == text and heard.confidence > 0.5
    engine.close()


def test_without_phrases_people_are_understood_by_the_open_language_model(speech: Path) -> None:
    engine = pocketsphinx.load(Settings(), ())
    assert understood(engine, read_wav(speech / "goforward.wav").samples).text == "go forward ten meters"
    engine.close()


def test_a_phrase_nobody_can_pronounce_is_left_out_with_a_warning() -> None:
    with capture_logs() as logs:
        engine = pocketsphinx.load(Settings(), ["where is the flurblewock", "where is the exit"])
    engine.close()
    assert [(log["event"], log["phrase"], log["unknown_words"]) for log in logs] == [
        ("phrase_left_out", "where is the flurblewock", "flurblewock")
    ]
    assert logs[0]["log_level"] == "warning"


@pytest.mark.parametrize("path", [None, PROJECT / "config" / "kiosk.yaml"], ids=["welcome", "kiosk"])
def test_every_phrase_that_comes_with_it_can_be_pronounced(path: Path | None) -> None:
    settings = config.load(path, environ={}, dotenv="")
    with capture_logs() as logs:
        pocketsphinx.load(settings, faq.load(settings).phrases).close()
    assert logs == []


def test_with_one_decoder_two_callers_still_finish_on_one_thread(say: Say) -> None:
    settings = Settings.model_validate({"asr": {"pocketsphinx": {"decoders": 1}}})
    texts: Sequence[str] = ("where can i see the dinosaurs", "how long does the guided tour take")
    engine = pocketsphinx.load(settings, texts)
    streams = [engine.open(None) for _ in texts]
    for stream, text in zip(streams, texts, strict=True):
        for part in np.array_split(say(text), 20):
            stream.accept(AudioFrame(part, LISTEN_RATE))
    heard = [stream.finish().text for stream in streams]
    for stream in streams:
        stream.close()
    engine.close()
    assert heard == list(texts)


def test_no_more_than_half_a_minute_waits_for_a_decoder() -> None:
    settings = Settings.model_validate({"asr": {"pocketsphinx": {"decoders": 1}}})
    engine = pocketsphinx.load(settings, ())
    first, second = engine.open(None), engine.open(None)
    first.accept(AudioFrame(silence(2.0, LISTEN_RATE), LISTEN_RATE))
    for _ in range(4):
        assert second.accept(AudioFrame(silence(10.0, LISTEN_RATE), LISTEN_RATE)) is None
    assert len(second._waiting) == pocketsphinx.LONGEST
    first.close()
    second.close()
    engine.close()


def test_other_threads_run_while_it_decodes(kiosk: pocketsphinx.SphinxEngine, speech: Path) -> None:
    """With the interpreter's lock held during a call nobody else would count in it."""
    sound = read_wav(speech / "jfk.wav").samples
    stream = kiosk.open(None)
    stream.accept(AudioFrame(sound[:16_000], LISTEN_RATE))
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    most = 0
    for start in range(16_000, len(sound), 4800):
        before = counted[0]
        stream.accept(AudioFrame(sound[start : start + 4800], LISTEN_RATE))
        most = max(most, counted[0] - before)
    stop.set()
    thread.join()
    stream.close()
    assert most >= 3
