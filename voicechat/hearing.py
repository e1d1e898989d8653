"""The listening half of a session: frames in, voice detected, the floor asked, utterances collected.

Nothing here waits: a frame is dealt with before the next one is taken.
"""

from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from voicechat.audio import FRAME_SECONDS, AudioFrame
from voicechat.commands import ClearInput, Command, CommitInput
from voicechat.errors import BadMessage
from voicechat.events import InputCleared, InputDropped, ReplyPaused, ReplyResumed, SpeechStarted, SpeechStopped, State
from voicechat.protocols import Peer, VadStream
from voicechat.session import Session
from voicechat.turn import Act
from voicechat.utterance import Utterance

PRE_ROLL_SECONDS: Final = 2.0
"""Sound that is kept in case an utterance began in it."""

WAKE_SECONDS: Final = 0.2
"""Sound from before it woke that the second stage hears, to settle its memory."""

DOZE_SECONDS: Final = 0.5
"""Without voice for this long, the second stage sleeps."""

SHORTEST_SECONDS: Final = 0.1
"""Less sound than this cannot be committed."""


class Ears:
    """The two stages of voice detection: the cheap one hears all, and wakes the good one."""

    def __init__(self, fast: VadStream, slow: VadStream) -> None:
        self._fast, self._slow = fast, slow
        self._recent: deque[AudioFrame] = deque(maxlen=round(WAKE_SECONDS / FRAME_SECONDS))
        self._unvoiced = DOZE_SECONDS

    def hear(self, frame: AudioFrame, *, attentive: bool) -> tuple[bool, float]:
        """Whether the frame is voiced, and how likely it is speech. Attentive ears do not doze."""
        voiced = self._fast.probability(frame.samples) >= 0.5
        asleep = self._unvoiced >= DOZE_SECONDS
        self._unvoiced = 0.0 if voiced or attentive else self._unvoiced + frame.seconds
        if self._unvoiced >= DOZE_SECONDS:
            self._recent.append(frame)
            return voiced, 0.0
        if asleep:
            self._slow.reset()
            for earlier in self._recent:
                self._slow.probability(earlier.samples)
            self._recent.clear()
        return voiced, self._slow.probability(frame.samples)


class Hearing:
    """Listens to one peer. `interrupt`, `spoken` and `command` are the conversation's."""

    def __init__(
        self,
        session: Session,
        peer: Peer,
        ears: Ears,
        *,
        interrupt: Callable[[], None],
        utter: Callable[[], Utterance],
        spoken: Callable[[Utterance, float], None],
        command: Callable[[Command], None],
    ) -> None:
        self._session, self._peer, self._ears = session, peer, ears
        self._interrupt, self._utter, self._spoken, self._command = interrupt, utter, spoken, command
        self._recent: deque[AudioFrame] = deque(maxlen=round(PRE_ROLL_SECONDS / FRAME_SECONDS))
        self._utterance: Utterance | None = None
        self._unclaimed = 0.0  # seconds of sound that are no utterance's; a push-to-talk caller may still commit them
        self._dropped = 0.0

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
                        self._command(entry)
                self._session.tell_state()

    def _hear(self, frame: AudioFrame) -> None:
        floor = self._session.floor
        attentive = floor.state in (State.LISTENING, State.BARGED_IN)
        voiced, probability = self._ears.hear(frame, attentive=attentive)
        self._recent.append(frame)
        self._count_dropped()
        acts = floor.hear(voiced, probability, frame.seconds)
        if self._utterance is not None:
            self._utterance.hear(frame)
        elif not floor.rules.detects:
            self._unclaimed += frame.seconds
            if voiced:
                self._open(floor.rules.pause_after)
        for act in acts:
            self._do(act)

    def _count_dropped(self) -> None:
        lost = self._peer.dropped - self._dropped
        if lost > 0:
            self._dropped += lost
            self._session.emit(InputDropped(lost))

    def _do(self, act: Act) -> None:
        session = self._session
        match act:
            case Act.PAUSE:
                self._peer.pause()
                if session.reply is not None:
                    session.emit(ReplyPaused(session.reply))
            case Act.RESUME:
                self._peer.resume()
                if session.reply is not None:
                    session.emit(ReplyResumed(session.reply))
            case Act.CUT:
                if session.reply is not None:
                    self._peer.pause()  # at once; the cut itself follows the news of it
            case Act.BEGIN:
                utterance = self._utterance or self._open(session.floor.speech)  # push-to-talk may have been before
                session.emit(SpeechStarted(utterance.item, max(0.0, session.floor.clock - utterance.seconds)))
                self._interrupt()
            case Act.END:
                self._finish()

    def _open(self, spoken: float) -> Utterance:
        """An utterance that began `spoken` seconds ago, with its pre-roll."""
        self._unclaimed = 0.0
        self._utterance = utterance = self._utter()
        turns = self._session.settings.turns
        seconds = spoken + (turns.prefix if turns is not None else 0.3)
        frames = min(len(self._recent), max(1, round(seconds / FRAME_SECONDS)))
        for frame in list(self._recent)[-frames:]:
            utterance.hear(frame)
        return utterance

    def _finish(self) -> None:
        floor = self._session.floor
        utterance, self._utterance = self._utterance, None
        if utterance is None:
            return
        if floor.rules.detects:
            self._session.emit(SpeechStopped(utterance.item, floor.clock))
        utterance.end()
        self._spoken(utterance, floor.quiet)

    def _commit(self, command: CommitInput) -> None:
        if self._utterance is None and self._unclaimed >= SHORTEST_SECONDS:
            self._open(self._unclaimed)  # too soft for the first stage, but the caller says that it was speech
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
        if utterance is not None:
            utterance.forget()
            if self._session.floor.state is State.LISTENING:
                self._session.floor.rest()
        self._recent.clear()
        self._unclaimed = 0.0
        self._session.emit(InputCleared())
