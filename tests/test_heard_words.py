"""How exactly it is known which words were heard when the synthesizer does not say: a number, and a promise.

espeak knows when its words begin. Its sound is given to us without them, our guess is compared with them at every
50 ms at which the caller might have broken in.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import virtual_time
from tests.fakes import InlineLane
from voicechat.adapters.tts import espeak
from voicechat.audio import Samples
from voicechat.config import Settings
from voicechat.pool import Pool
from voicechat.protocols import Capabilities, Lane, Speech, TtsEngine, Voice
from voicechat.synthesis import Synthesis
from voicechat.turnstile import Worker
from voicechat.words.pace import Pace

SENTENCES = """\
We are open from nine in the morning until six in the evening.
Hello, how can I help you today?
A ticket costs twelve euros for adults, and children under ten go free.
You will find the lockers on the left, just behind the main entrance.
I'm sorry, I did not understand that.
The next train to Cambridge leaves at 14:35 from platform 3.
In 1984 the building was restored, and in 2012 it got a new roof.
Of course, let me look that up for you.
The API returns a JSON object with three keys.
Unfortunately, the restaurant is fully booked on Saturday night.
Would you like to make a reservation for another day?
The exhibition shows paintings, drawings and sculptures from the nineteenth century.
It takes about fifteen minutes on foot, or five minutes by bus.
Please bring your identification card and a recent photograph.
The quick brown fox jumps over the lazy dog.
There is a small café on the second floor; it serves soup, sandwiches and cake.
Photosynthesis converts carbon dioxide and water into glucose and oxygen.
To reset your password, open the settings, choose security, and press the red button.
No, that is not possible.
The committee unanimously recommended an extraordinary appropriation.
I think we should try it, but I am not sure it will work.
Dr. Smith will see you at half past eight.
The temperature outside is 23 degrees, with a light wind from the west.
She sells seashells by the seashore.
You can pay with cash, by card, or with your phone.
If you press the button twice, the machine will start again from the beginning.
One, two, three, four, five, six, seven.
The big red bus stopped at the end of the old stone bridge and let us all out.
Thank you very much for calling.
Your order number is 4 7 1 1 0 8.
As far as I know, nobody has ever been able to explain why the experiment failed.
Strengths and weaknesses were thoroughly discussed.
A year has 365 days, a leap year has 366.
The author, who was born in Vienna, wrote her first novel at the age of nineteen.
We do not sell tickets at the door, so please order them online before you come.
The universe is approximately thirteen point eight billion years old.
Take the first street on the right, go straight on until the traffic lights, and then turn left.
Everything you say is processed on this computer and is never sent anywhere else.
The price is $49.99, including shipping.
My favourite colours are green, blue and yellow.
A library card is free for everybody who lives in the city.
When the rain had stopped, they walked back along the river without saying a word.
""".splitlines()


@dataclass(frozen=True)
class Spoken:
    """A sentence's sound, and when each of its words begins, in seconds."""

    text: str
    samples: Samples
    rate: int
    begins: list[float]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def spoken(engine: TtsEngine, text: str, voice: str, speed: float) -> Spoken:
    clock, begins, sound = 0, [], []
    for piece in engine.synthesize(text, voice, speed):
        begins += [clock / engine.rate] * len((piece.text or "").split())
        sound.append(piece.samples)
        clock += len(piece.samples)
    return Spoken(text, np.concatenate(sound), engine.rate, begins)


class Forgetful:
    """Plays back what was spoken, in pieces of so many seconds, without its words."""

    name = "forgetful"
    voices = (Voice("one", "en"),)
    capabilities = Capabilities(streaming=True, languages=("en",))

    def __init__(self, sentences: list[Spoken], piece: float) -> None:
        self.rate = sentences[0].rate
        self._sentences = {sentence.text: sentence.samples for sentence in sentences}
        self._piece = round(piece * self.rate)

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        samples = self._sentences[text]
        for start in range(0, len(samples), self._piece):
            yield Speech(samples[start : start + self._piece])

    def close(self) -> None:
        pass


def guessed(sentences: list[Spoken], lane: Lane, *, piece: float, speed: float, realtime: bool) -> list[list[float]]:
    """When each word begins as it is handed to the playout; the sound is taken in real time or as soon as made."""

    async def one(text: str) -> AsyncGenerator[str]:
        yield text

    async def main() -> list[list[float]]:
        engine, pace = Forgetful(sentences, piece), Pace()
        pool = Pool([Worker(engine, lane)])
        found = []
        for sentence in sentences:
            synthesis = Synthesis(pool, voice="", speed=speed, in_flight=1, pace=pace, left=lambda: 0.0)
            making = asyncio.create_task(synthesis.run(one(sentence.text)))
            clock, begins, said = 0, [], []
            async for sound in synthesis.sounds():
                begins += [clock / engine.rate] * len(sound.words.split())
                said += sound.words.split()
                clock += len(sound.samples)
                if realtime:
                    await asyncio.sleep(len(sound.samples) / engine.rate)
            await making
            assert said == sentence.text.split()
            assert clock == len(sentence.samples)
            found.append(begins)
        return found

    return virtual_time.run(main())


def wrong(sentence: Spoken, begins: list[float]) -> NDArray[np.int64]:
    """By how many words the guess is off at each cut."""
    cuts = np.arange(0.025, sentence.seconds, 0.05)[:, None]
    errors: NDArray[np.int64] = np.abs((np.array(begins) <= cuts).sum(1) - (np.array(sentence.begins) <= cuts).sum(1))
    return errors


def errors(voice: str, speed: float, lane: Lane, *, piece: float, realtime: bool) -> NDArray[np.int64]:
    engine = espeak.load(Settings())
    sentences = [spoken(engine, text, voice, speed) for text in SENTENCES]
    found = guessed(sentences, lane, piece=piece, speed=speed, realtime=realtime)
    return np.concatenate([wrong(*pair) for pair in zip(sentences, found, strict=True)])


@pytest.mark.parametrize(("voice", "speed"), [("en-us", 1.0), ("en-gb", 1.0), ("en-us+f3", 0.8), ("en-us", 1.3)])
def test_words_heard_of_whole_clauses_are_right_to_a_word(voice: str, speed: float) -> None:
    off = errors(voice, speed, InlineLane(), piece=0.2, realtime=True)
    assert np.quantile(off, 0.95) <= 1
    assert np.mean(off) <= 0.25
    assert np.mean(off > 1) <= 0.02


@pytest.mark.parametrize(("voice", "speed"), [("en-us", 1.0), ("en-gb", 1.0), ("en-us+f3", 0.8)])
def test_words_heard_are_right_to_a_word_while_the_clause_is_still_being_made(voice: str, speed: float) -> None:
    off = errors(voice, speed, InlineLane(0.04), piece=0.04, realtime=False)
    assert np.quantile(off, 0.95) <= 1
    assert np.mean(off) <= 0.4


def test_a_slow_voice_is_learnt() -> None:
    engine = espeak.load(Settings())
    sentences = [spoken(engine, text, "en-us", 0.6) for text in SENTENCES]
    found = guessed(sentences, InlineLane(0.04), piece=0.04, speed=1.0, realtime=False)
    off = [wrong(*pair) for pair in zip(sentences, found, strict=True)]
    assert np.quantile(np.concatenate(off[10:]), 0.95) <= 1


def test_silence_before_and_after_the_words_is_nobodys() -> None:
    engine = espeak.load(Settings())
    quiet = np.zeros(engine.rate, np.int16)
    sentences = [spoken(engine, text, "en-us", 1.0) for text in SENTENCES]
    for place, sentence in enumerate(sentences):
        padded, later = np.concatenate((quiet, sentence.samples, quiet)), [at + 1.0 for at in sentence.begins]
        sentences[place] = replace(sentence, samples=padded, begins=later)
    found = guessed(sentences, InlineLane(), piece=0.2, speed=1.0, realtime=True)
    off = np.concatenate([wrong(*pair) for pair in zip(sentences, found, strict=True)])
    assert np.quantile(off, 0.95) <= 1
