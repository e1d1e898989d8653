"""Back-channels and beginnings of sentences, said by espeak-ng, flite and festival in many voices."""

import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Way:
    """One way to say something: as a text, or as the phones that espeak-ng and the two others know."""

    text: str = ""
    espeak: str = ""
    phones: str = ""


BACK_CHANNELS: Final = {
    "okay": (Way("okay"), Way("okay", "", "ow k ey"), Way("", "[[mk'eI]]", "m k ey"), Way("", "[[k'eI]]", "k ey")),
    "right": (Way("right"), Way("right!"), Way("right?", "", "r ay t"), Way("", "", "r ay")),
    "yeah": (Way("yeah", "", "y ae"), Way("", "[[j'E@]]", "y eh ax"), Way("", "[[j'a]]", "y aa"), Way("", "[[j'E]]")),
    "sure": (Way("sure"), Way("sure", "[[S'3:]]", "sh er"), Way("sure", "[[S'O@]]", "sh ao r")),
    "isee": (Way("I see"), Way("I see?", "", "ay s iy"), Way("ah I see")),
    "uhhuh": (Way("", "[[Vh'V]]", "ah hh ah"), Way("", "[[@h'V:]]", "ax hh aa"), Way("", "[[Vh'Vn]]", "ah hh ah n")),
    "mhm": (
        Way("", "[[m:h'm]]", "m hh m"),
        Way("", "[[m'hm]]", "m m hh m m"),
        Way("", "[[@mh@m]]", "ah m hh ah m"),
        Way("", "[[mh'm:]]", "m ax m"),
        Way("", "[[n:h'n]]", "n hh n"),
    ),
    "hmm": (Way("", "[[hm:]]", "hh m m"), Way("hmm", "", "hh ax m"), Way("", "[[h'm]]", "hh m"), Way("", "[[@m:]]")),
    "mm": (Way("", "[[m::]]", "m m"), Way("", "[[m:]]", "m m m"), Way("", "[[N:]]", "ng ng")),
    "yes": (Way("yes"),),
    "yep": (Way("yep"),),
    "alright": (Way("all right"), Way("alright", "", "ao r ay t")),
    "oh": (Way("oh", "", "ow"),),
    "ah": (Way("", "[[A:]]", "aa"),),
    "gotit": (Way("got it"),),
    "ohokay": (Way("oh okay"),),
    "okayright": (Way("okay right"),),
    "yeahyeah": (Way("yeah yeah"),),
}
"""By name; the first nine are what is judged."""

JUDGED: Final = tuple(BACK_CHANNELS)[:9]

INTERRUPTIONS: Final = (
    "stop|wait|no I meant the other one|what about the dinosaurs|hold on|can you repeat that|sorry what did you say|"
    "how much does it cost|but I wanted the second one|actually never mind|excuse me|where is the exit|"
    "when does it open|could you speak more slowly|that is not what I asked|let me ask something else|"
    "please be quiet|tell me about the ticket prices|do you have anything cheaper|is there a toilet on this floor|"
    "I want to book a table for two|I have another question|I don't understand|who painted this picture|why is that|"
    "give me the address|cancel the order|no no no|hang on a second|forget it|go back to the first one|next please|"
    "skip this part|shut up|thank you that is enough|my name is Peter|maybe later|one more thing|"
    "are you sure about that|we need to leave at five|listen to me|you already told me that|"
    "does it have a guarantee|turn off the light|play some music|never mind"
).split("|")

STARTS: Final = (
    "the a this that these those my your his our their it he she they we you I there here what when where why who how "
    "which can could would will do does did is are was have has should may let make take give get go come look tell "
    "say put turn set call find keep try ask need want use show play open close start begin stop wait no not never "
    "now next then later today tomorrow yesterday before after during some any many most every each another other one "
    "two three four five six seven eight nine ten twenty first second last people children somebody nobody everything "
    "nothing something because since while although if unless until and but so or for from with without about above "
    "under over between into through across in on at by of to please sorry excuse hello hi hey thanks well actually "
    "maybe perhaps probably basically also just only even really very too quite still already almost always sometimes "
    "usually often money music water coffee train bus car house door window table garden city country school doctor "
    "paper picture problem question answer reason price number letter morning evening night monday friday winter "
    "summer long short big small good bad new old red blue green black white cheap free full empty better worse "
    "different same wrong true Peter Mary John Susan London Paris America English French German bring drop change "
    "cancel forget repeat explain describe remember believe think know hear see feel leave stay move walk run drive "
    "book order buy sell pay read write speak listen hold hang shut skip"
).split()

GOING_ON: Final = (
    "is the one I wanted to see|a new kind of problem|can be found over there|we have to think about|"
    "people in the city|me the time please|you going to do now|not quite what I meant|going to take a while|"
    "of the old house|have you been waiting|with some other people|and then we left|my brother and his wife|"
    "the window on the left|it possible to change that|should have been here by now|two or three of them"
).split("|")

ESPEAK: Final = (
    "en-us en-us+f2 en-us+m3 en-gb+f4 en-gb-x-rp+m7 en-gb-scotland+m1 en-us+klatt en-us+Annie en-gb+Andy en-029+f1 "
    "en-us-nyc+m5 en-gb-x-gbclan+linda en-us+steph en-us+adam en-us+Mike en-gb+rob en-us+belinda en-us+marcelo "
    "en-gb+anika en-us+boris en-us+aunty en-us+victor"
).split()
FLITE: Final = ("kal16", "awb", "rms", "slt")
FESTIVAL: Final = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
LACKING: Final = {"kal_diphone": "mhm hmm mm uhhuh", "ked_diphone": "mhm hmm mm uhhuh"}
"""They have no sounds for these, and leave holes."""

SIZES: Final = (1.0, 0.86, 1.16, 0.93, 1.08)
"""Speeds of playing a recorded voice: each makes it another speaker."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What a voice says, and where the sound goes: KIND_NAME_VOICE_NUMBER.wav."""

    kind: str
    name: str
    voice: str
    number: int
    way: Way

    @property
    def file(self) -> str:
        return f"{self.kind}_{self.name}_{self.voice.replace('_', '-')}_{self.number}.wav"

    @property
    def dice(self) -> random.Random:
        return random.Random(zlib.crc32(self.file.encode()))


def sayings() -> Iterator[Saying]:
    """All of them; the same each time."""
    for voice in ESPEAK:
        yield from _of(voice, 8, 26, 40)
    for voice in FLITE:
        for size in range(len(SIZES)):
            yield from _of(voice, 12, 26, 75, size * 1000)
    for voice in FESTIVAL:
        for size in range(4):
            yield from _of(voice, 4, 26, 60, size * 1000)


def _of(voice: str, times: int, interruptions: int, starts: int, first: int = 0) -> Iterator[Saying]:
    dice = random.Random(zlib.crc32(f"{voice} {first}".encode()))
    for name, ways in BACK_CHANNELS.items():
        if name in LACKING.get(voice, "").split():
            continue
        for number in range(times if name in JUDGED else max(1, times // 2)):
            yield Saying("back", name, voice, first + number, dice.choice(ways))
    for number, at in enumerate(dice.sample(range(len(INTERRUPTIONS)), interruptions)):
        yield Saying("stop", str(at), voice, first + number, Way(INTERRUPTIONS[at]))
    for number in range(starts):
        text = f"{dice.choice(STARTS)} {dice.choice(GOING_ON)}"
        yield Saying("start", str(number), voice, first + number, Way(text))


def say_all(folder: Path) -> None:
    """Writes what is not there yet. Needs the programs espeak-ng, flite, festival and sox."""
    missing = [name for name in ("espeak-ng", "flite", "festival", "sox") if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda saying: _say(saying, folder), sayings()))


def _say(saying: Saying, folder: Path) -> None:
    """Leaves nothing where the voice cannot say it."""
    path = folder / saying.file
    if path.exists():
        return
    raw = path.with_suffix(".raw")
    dice = saying.dice
    change: list[str] = []
    if saying.voice in ESPEAK:
        _espeak(saying, raw, dice)
    elif saying.voice in FLITE:
        _flite(saying, raw, dice)
        change = ["pitch", str(dice.randint(-150, 150))]
    else:
        _festival(saying, raw)
        change = ["tempo", f"{dice.uniform(0.85, 1.25):.2f}"]
    if saying.voice not in ESPEAK:
        size = SIZES[saying.number // 1000] * dice.uniform(0.97, 1.03)
        change = ["speed", f"{size:.3f}", *change]
    if raw.exists() and raw.stat().st_size > 3000:
        _run("sox", "-t", "wav", str(raw), "-r", "16000", "-c", "1", "-b", "16", str(path), *change, "gain", "-n", "-6")
    raw.unlink(missing_ok=True)


def _espeak(saying: Saying, raw: Path, dice: random.Random) -> None:
    speed, pitch = str(dice.randint(130, 230)), str(dice.randint(15, 85))
    words = saying.way.espeak or saying.way.text
    if words:
        _run("espeak-ng", "-v", saying.voice, "-s", speed, "-p", pitch, "-w", str(raw), words)


def _flite(saying: Saying, raw: Path, dice: random.Random) -> None:
    stretch = f"duration_stretch={dice.uniform(0.75, 1.3):.2f}"
    way = saying.way
    if way.phones and (not way.text or dice.random() < 0.5):
        _run("flite", "-voice", saying.voice, "--setf", stretch, "-p", f"pau {way.phones} pau", str(raw))
    elif way.text:
        _run("flite", "-voice", saying.voice, "--setf", stretch, "-t", way.text, str(raw))


def _festival(saying: Saying, raw: Path) -> None:
    way = saying.way
    text = "".join(letter for letter in way.text if letter.isalpha() or letter == " ")
    what = f'(Utterance Text "{text}")' if text else f"(Utterance Phones (pau {way.phones} pau))"
    if text or way.phones:
        save = f"(utt.save.wave (utt.synth (eval '{what})) \"{raw}\" 'riff)"
        _run("festival", "-b", f"(voice_{saying.voice})", save)


def _run(*command: str) -> None:
    subprocess.run(command, check=False, capture_output=True, timeout=30)
