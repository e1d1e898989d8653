"""What one caller has said and is not understood yet: utterances at the recogniser, in the order they were spoken."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voicechat.audio import AudioFrame
from voicechat.config import Settings
from voicechat.conversation import Item, Role
from voicechat.draft import Spawn
from voicechat.errors import AdapterError, EngineFailed
from voicechat.events import InputCommitted, State, TranscriptFailed, TranscriptFinal, TranscriptPartial
from voicechat.protocols import AsrEngine, Lane
from voicechat.recording import understood
from voicechat.reply import Timeline
from voicechat.session import Session
from voicechat.utterance import Utterance
from voicechat.words.agreement import Agreement

MOST_IN_WORK: Final = 8
"""Utterances of one session at the recogniser; of more, what is said is not understood."""


HUSH_SECONDS: Final = 0.6
"""Speech that has no room for more than the stop phrase that was understood in it at first."""

MOST_RECORDINGS: Final = 4
"""Of one session at the recogniser; more are not understood."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The engine that understands a session, and where it runs."""

    engine: AsrEngine
    lane: Lane


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what was understood."""

    read: Callable[[Utterance, TranscriptPartial], None]
    """So much of it by now."""
    expected: Callable[[Utterance, str], None]
    """The caller has probably finished, with these words."""
    reconsider: Callable[[Utterance], None]
    """A candidate that was dismissed is the caller's turn after all."""
    hushed: Callable[[], None]
    """The caller wanted an answer to stop, and nothing else."""
    understood: Callable[[str | None, Timeline | None], None]
    """What was said in an utterance, for good; None: it could not be understood."""
    read_up: Callable[[], None]
    """There is no recording left that is not understood."""


class Understanding:
    """One session's. `spawn` runs what works on an utterance, as long as the session lasts."""

    def __init__(
        self, session: Session, recogniser: Recogniser, listener: Listener, *, settings: Settings, spawn: Spawn
    ) -> None:
        self._session, self._recogniser, self._listener = session, recogniser, listener
        self._settings, self._spawn = settings, spawn
        self._in_work: set[Utterance] = set()  # at the recogniser, candidates too
        self._waiting: dict[Utterance, Timeline] = {}  # spoken, and not understood yet
        self._recordings: dict[_Recording, asyncio.Task[None]] = {}  # that are not understood yet

    @property
    def busy(self) -> bool:
        """Something that was spoken or recorded is not understood yet."""
        return bool(self._waiting or self._recordings)

    @property
    def reads(self) -> bool:
        """Something that was recorded is not understood yet."""
        return bool(self._recordings)

    def utter(self) -> Utterance:
        """A new utterance, being recognised from its first frame on; perhaps only a candidate."""
        session, listener = self._session, self._listener
        item = session.new_id("item")
        agreement = Agreement()
        utterance = Utterance(
            item,
            limit=self._settings.turn.max_utterance + session.floor.speech + session.prefix,
            partial=lambda text: listener.read(utterance, TranscriptPartial(item, *agreement.hear(text))),
            expected=lambda transcript: listener.expected(utterance, transcript.text),
            weighs=session.settings.weighs,
        )
        if len(self._in_work) < MOST_IN_WORK:
            self._in_work.add(utterance)
            self._spawn(self._understand(utterance))
        else:
            utterance.error = EngineFailed("recogniser_busy", "too much was said that is not understood yet")
        return utterance

    def spoken(self, utterance: Utterance, quiet: float) -> None:
        """The caller has finished, `quiet` seconds after the last speech."""
        session = self._session
        now = asyncio.get_running_loop().time()
        self._waiting[utterance] = Timeline(spoke_until=now - quiet, endpointed=now)
        session.emit(InputCommitted(utterance.item, session.last_id()))
        session.add(Item(utterance.item, Role.USER, "", spoken=True))
        if utterance.error is not None:
            self._fail(utterance, utterance.error)

    def take(self, item: Item, sound: AudioFrame | None) -> None:
        """Adds what is said in a recording, if there is one, to a new item of the history, as soon as that is known."""
        for older in self._recordings:
            older.orphaned = older.orphaned or older.item.id == item.id
        if sound is None:
            return
        if len(self._recordings) < MOST_RECORDINGS:
            recording = _Recording(item, sound)
            self._recordings[recording] = self._spawn(self._read(recording))
        else:
            text = f"{MOST_RECORDINGS} recordings are not understood yet"
            self._session.emit(TranscriptFailed(item.id, "recogniser_busy", text))

    def give_up(self, error: EngineFailed) -> None:
        """What is not understood by now will not be."""
        recordings, self._recordings = self._recordings, {}
        for recording, task in recordings.items():
            task.cancel()
            if not recording.orphaned:
                self._session.emit(TranscriptFailed(recording.item.id, error.code, error.message))
        waiting, self._waiting = self._waiting, {}
        for utterance in waiting:
            utterance.forget()
            self._session.emit(TranscriptFailed(utterance.item, error.code, error.message))

    def hushes(self, utterance: Utterance, text: str) -> bool:
        """Whether the caller wants silence, and nothing else: a stop phrase over an answer is all that was said.

        A short one that was understood while it was spoken is believed, whatever the recogniser made of it later.
        """
        stops, guess = self._session.interjections.stops, utterance.guess
        guessed = guess is not None and utterance.speech <= HUSH_SECONDS and stops(guess.stable + guess.tail)
        return utterance.over and (guessed or stops(text))

    async def _understand(self, utterance: Utterance) -> None:
        recogniser, session = self._recogniser, self._session
        try:
            transcript = await utterance.recognise(recogniser.engine, recogniser.lane, self._language)
        except AdapterError as error:
            utterance.error = error
            if utterance in self._waiting:  # or else when it has been spoken, if ever
                self._fail(utterance, error)
            return
        finally:
            self._in_work.discard(utterance)
        text = transcript.text
        if utterance.forgotten or not (utterance.begun or self._stops(text)):
            return
        if not utterance.begun:
            self._listener.reconsider(utterance)
        session.change(utterance.item, text=text)
        session.emit(
            TranscriptFinal(
                utterance.item, text, transcript.confidence, utterance.seconds, utterance.work, transcript.weighed
            )
        )
        self._tell(utterance, text, hushes=self.hushes(utterance, text))

    async def _read(self, recording: "_Recording") -> None:
        recogniser, session, loop = self._recogniser, self._session, asyncio.get_running_loop()
        item, sound, begin = recording.item, recording.sound, loop.time()
        told: TranscriptFinal | TranscriptFailed
        try:
            weighs = session.settings.weighs
            transcript = await understood(sound, recogniser.engine, recogniser.lane, self._language, weighs=weighs)
        except AdapterError as error:
            told = TranscriptFailed(item.id, error.code, error.message)
        else:
            text, confidence, work = transcript.text, transcript.confidence, loop.time() - begin
            told = TranscriptFinal(item.id, text, confidence, sound.seconds, work, transcript.weighed)
        if not recording.orphaned:
            if isinstance(told, TranscriptFinal):
                session.change(item.id, text="\n".join(filter(None, (item.text, told.text))))
            session.emit(told)
        self._recordings.pop(recording, None)
        if not self._recordings:
            self._listener.read_up()

    @property
    def _language(self) -> str:
        return self._session.settings.language or self._settings.asr.language

    def _stops(self, text: str) -> bool:
        """Whether a candidate that was dismissed had said stop, and there still is something to stop."""
        answering = self._session.floor.state in (State.THINKING, State.SPEAKING)
        return answering and self._session.interjections.stops(text)

    def _fail(self, utterance: Utterance, error: AdapterError) -> None:
        self._session.emit(TranscriptFailed(utterance.item, error.code, error.message))
        self._tell(utterance, None)

    def _tell(self, utterance: Utterance, text: str | None, *, hushes: bool = False) -> None:
        timeline = self._waiting.pop(utterance, None)
        if timeline is not None:
            timeline.understood = asyncio.get_running_loop().time()
        if hushes:
            self._listener.hushed()
        else:
            self._listener.understood(text, timeline)


@dataclass(eq=False, slots=True)
class _Recording:
    """Sound of an item, which may be deleted before it is understood, and its name be given to another."""

    item: Item
    sound: AudioFrame
    orphaned: bool = False  # there is another item of that name by now: nobody is told
