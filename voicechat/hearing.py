"""The listening half of a session: frames in, voice detected, the floor asked, utterances collected.

Nothing here waits: a frame is dealt with before the next one is taken.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from voicechat.audio import FRAME_SECONDS, AudioFrame
from voicechat.commands import ClearInput, Command, CommitInput
from voicechat.ears import Ears
from voicechat.errors import BadMessage
from voicechat.events import (
    InputCleared,
    InputDropped,
    ReplyPaused,
    ReplyResumed,
    SpeechStarted,
    SpeechStopped,
    State,
    TranscriptPartial,
)
from voicechat.protocols import Peer
from voicechat.session import Session
from voicechat.turn import Act, Clues
from voicechat.turntaking.silence import LongSilence
from voicechat.utterance import Utterance

PRE_ROLL_SECONDS: Final = 2.0
"""Sound that is kept in case an utterance began in it, beside what is to come before that."""

SHORTEST_SECONDS: Final = 0.1
"""Less sound than this cannot be committed."""

STALL_SECONDS: Final = 1.0
"""An answer of which no sound has left for this long makes no progress."""

MISSED_SECONDS: Final = 0.5
"""When no frame has come for this long, time passes without one."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What hearing asks of the session's other half."""

    interrupt: Callable[[], None]
    """The caller's turn begins: whatever is being answered is over."""
    utter: Callable[[], Utterance]
    """A new utterance, perhaps only a candidate, being recognised as it comes."""
    go_on: Callable[[], None]
    """They had probably finished, and go on."""
    spoken: Callable[[Utterance, float], None]
    """The caller has finished it, so many seconds after the last speech."""
    ending: Callable[[], bool]
    """Whether the answer is in its last words."""
    give_up: Callable[[], None]
    """Nothing has come of the answer for too long."""
    silent: Callable[[float, float], None]
    """The caller has said nothing since an answer was over: from when to when, in seconds of their sound."""
    command: Callable[[Command], None]


class Hearing:
    """Listens to one peer."""

    def __init__(self, session: Session, peer: Peer, ears: Ears, conversation: Conversation) -> None:
        self._session, self._peer, self._ears = session, peer, ears
        self._conversation = conversation
        self._recent: deque[AudioFrame] = deque()
        self._utterance: Utterance | None = None  # the caller's, or a candidate's
        self._unclaimed = 0.0  # seconds of sound that are no utterance's; a push-to-talk caller may still commit them
        self._dropped = 0.0
        self._paused: str | None = None  # the answer of which a pause was told
        self._heard_at = asyncio.get_running_loop().time()
        self._silence = LongSilence()
        self._answered = -1.0  # on the floor's clock, when the latest answer was over

    async def run(self) -> None:
        """Until the peer hangs up."""
        async with aclosing(self._peer.incoming()) as entries:
            async for entry in entries:
                match entry:
                    case AudioFrame():
                        self._hear(entry)
                    case CommitInput():
                        self._commit(entry)
                    case ClearInput():
                        self._clear()
                    case _:
                        self._conversation.command(entry)
                self._session.tell_state()

    def read(self, utterance: Utterance, guess: TranscriptPartial) -> None:
        """What is understood of an utterance so far; of a candidate only the floor gets to know."""
        utterance.guess = guess
        text = guess.stable + guess.tail
        if utterance is self._utterance:
            self._ears.read(text)
        if utterance.begun:
            self._session.emit(guess)
        elif utterance is self._utterance:
            self._do(self._session.floor.read(text))
            self._session.tell_state()

    def asked(self, question: bool) -> None:
        """An answer is over: whether it ended in a question."""
        self._ears.asked(question)
        self._answered = self._session.floor.clock
        self._silence.begin(self._answered)

    def hurry(self, eagerness: str) -> None:
        """How soon the caller's program wants a turn to end; see `protocols.Patience.hurry`."""
        self._ears.hurry(eagerness)

    def lapse(self) -> None:
        """To be called now and then: frames that do not come are silence too."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at >= MISSED_SECONDS:
            self._do(self._session.floor.lapse(now - self._heard_at, self._clues(now)))
            self._heard_at = now
            self._session.tell_state()

    def _hear(self, frame: AudioFrame) -> None:
        floor = self._session.floor
        self._heard_at = now = asyncio.get_running_loop().time()
        attentive = floor.state in (State.LISTENING, State.BARGED_IN)
        voiced, probability = self._ears.hear(frame, attentive=attentive, levels=self._peer.levels, now=now)
        self._keep(frame)
        self._count_dropped()
        acts = floor.hear(voiced, probability, frame.seconds, self._clues(now))
        if self._utterance is not None:
            self._utterance.hear(frame)
        elif not floor.rules.detects:
            self._unclaimed += frame.seconds
            if voiced:
                self._open(self._pre_roll(floor.rules.speaking.pause_after)).begun = True
        self._do(acts)
        self._heed_silence()

    def _keep(self, frame: AudioFrame) -> None:
        self._recent.append(frame)
        while len(self._recent) > round((PRE_ROLL_SECONDS + self._session.prefix) / FRAME_SECONDS):
            self._recent.popleft()

    def _heed_silence(self) -> None:
        floor, turns = self._session.floor, self._session.settings.turns
        since = self._silence.hear(floor.state, floor.clock, turns.idle if turns is not None else None)
        if since is not None:
            self._conversation.silent(since, floor.clock)

    def _clues(self, now: float) -> Clues:
        speaks = self._session.floor.state is State.SPEAKING
        levels = self._peer.levels if speaks else ()
        return Clues(
            silence=self._ears.silence if self._session.floor.rules.adapts else None,
            back_channel=self._ears.back_channel,
            unsure=self._ears.unsure,
            ending=speaks and self._conversation.ending(),
            sounding=bool(levels) and levels[-1][0] > now - STALL_SECONDS,
        )

    def _count_dropped(self) -> None:
        lost = self._peer.dropped - self._dropped
        if lost > 0:
            self._dropped += lost
            self._session.emit(InputDropped(lost))

    def _do(self, acts: Iterable[Act]) -> None:
        for act in acts:
            match act:
                case Act.DUCK:
                    self._peer.duck(self._session.knobs.barge_in.duck_db)
                    self._consider()
                case Act.PAUSE:
                    self._peer.pause()
                    self._consider()
                    self._tell_pause()
                case Act.RESUME:
                    self._dismiss()
                    self._peer.resume()
                    self._tell_resume()
                case Act.CUT:
                    self._peer.pause()  # at once; the cut itself follows the news of it
                case Act.BEGIN:
                    self._begin()
                case Act.EXPECT:
                    if self._utterance is not None:
                        self._utterance.expect()
                case Act.GO_ON:
                    self._go_on()
                case Act.END:
                    self._finish()
                case Act.GIVE_UP:
                    self._conversation.give_up()

    def _tell_pause(self) -> None:
        self._paused = self._session.reply
        if self._paused is not None:
            self._session.emit(ReplyPaused(self._paused))

    def _tell_resume(self) -> None:
        if self._paused is not None and self._paused == self._session.reply:
            self._session.emit(ReplyResumed(self._paused))
        self._paused = None

    def _consider(self) -> None:
        """A candidate opens: it is recognised from now on, in case it becomes the caller's utterance."""
        if self._utterance is None:
            frames = self._pre_roll(self._session.floor.speech)
            self._open(frames).over = True
            self._ears.consider(frames)

    def _dismiss(self) -> None:
        """The candidate was nothing. Where there was speech in it, its text may still say otherwise."""
        floor = self._session.floor
        utterance, self._utterance = self._utterance, None
        self._ears.dismiss()
        if utterance is None:
            return
        if floor.rules.detects and floor.candidate >= floor.rules.start:
            utterance.until = floor.clock
            self._end(utterance)
        else:
            utterance.forget()

    def reconsider(self, utterance: Utterance) -> None:
        """A candidate that was dismissed is the caller's turn after all."""
        session = self._session
        utterance.begun = True
        session.emit(SpeechStarted(utterance.item, max(0.0, utterance.until - utterance.seconds)))
        self._conversation.interrupt()
        session.emit(SpeechStopped(utterance.item, utterance.until))
        session.floor.rest()
        session.floor.think()
        self._conversation.spoken(utterance, session.floor.quiet)

    def _begin(self) -> None:
        session = self._session
        utterance = self._utterance  # a candidate, or push-to-talk, may have been before
        if utterance is None:
            utterance = self._open(self._pre_roll(session.floor.speech))
            utterance.over = session.floor.clock - session.floor.speech < self._answered
        utterance.begun = True
        self._ears.dismiss()
        session.emit(SpeechStarted(utterance.item, max(0.0, session.floor.clock - utterance.seconds)))
        self._conversation.interrupt()
        if utterance.guess is not None:
            session.emit(utterance.guess)

    def _go_on(self) -> None:
        if self._utterance is not None:
            self._utterance.go_on()
        self._conversation.go_on()

    def _pre_roll(self, spoken: float) -> list[AudioFrame]:
        """The sound of the last `spoken` seconds, and some from before."""
        return list(self._recent)[-max(1, round((spoken + self._session.prefix) / FRAME_SECONDS)) :]

    def _open(self, frames: Iterable[AudioFrame]) -> Utterance:
        """An utterance that began with these frames."""
        self._unclaimed = 0.0
        self._utterance = utterance = self._conversation.utter()
        for frame in frames:
            utterance.hear(frame)
        return utterance

    def _finish(self) -> None:
        floor = self._session.floor
        utterance, self._utterance = self._utterance, None
        self._recent.clear()  # no sound is in two utterances
        if utterance is None:
            return
        utterance.begun = True
        if floor.rules.detects:
            self._session.emit(SpeechStopped(utterance.item, floor.clock))
        self._end(utterance)
        self._conversation.spoken(utterance, floor.quiet)

    def _end(self, utterance: Utterance) -> None:
        utterance.speech = max(0.0, utterance.seconds - self._session.floor.quiet - self._session.prefix)
        utterance.end()

    def _commit(self, command: CommitInput) -> None:
        self._do(self._session.floor.take())
        if self._utterance is None and self._unclaimed >= SHORTEST_SECONDS:
            # too soft for the first stage, but the caller says that it was speech
            self._open(self._pre_roll(self._unclaimed))
        if self._utterance is None:
            error = BadMessage(
                "input_audio_buffer_commit_empty", "there is no sound to commit", event_id=command.event_id
            )
            self._session.fail(error)
            return
        if self._session.floor.state is State.LISTENING:
            self._session.floor.think()
        self._finish()

    def _clear(self) -> None:
        utterance, self._utterance = self._utterance, None
        self._conversation.go_on()
        if utterance is not None:
            utterance.forget()
            if self._session.floor.state is State.LISTENING:
                self._session.floor.rest()
        self._recent.clear()
        self._unclaimed = 0.0
        self._session.emit(InputCleared())
