"""A reception whose sessions are real and whose engines are scripted, for the tests of doors."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes import InlineLane, LoudnessVad, ScriptedAgent, ScriptedAsr, ScriptedTts
from voicechat.config import Settings
from voicechat.conversation import SessionSettings
from voicechat.ears import Ears
from voicechat.errors import NoRoom
from voicechat.events import Event
from voicechat.pipeline import Pipeline
from voicechat.pool import Pool
from voicechat.protocols import Peer
from voicechat.reply import Speaker
from voicechat.session import Session
from voicechat.turnstile import Worker
from voicechat.understanding import Recogniser


class ScriptedReception:
    """Understands a question for each of its answers, and gives the answer.

    `sessions` are the settings and events of every session there was, by its id; `taken` is how many places are.
    """

    def __init__(self, *answers: str, places: int = 8) -> None:
        self.asr = ScriptedAsr(*(f"question {number}" for number, _ in enumerate(answers)))
        self.agent = ScriptedAgent(list(answers), speculates=False)
        self.places, self.taken = places, 0
        self.sessions: dict[str, Session] = {}
        self.events: dict[str, list[Event]] = {}

    @contextmanager
    def admit(self) -> Iterator[str]:
        if self.taken >= self.places:
            raise NoRoom("all places are taken")
        self.taken += 1
        try:
            yield f"sess_{len(self.sessions) + 1}"
        finally:
            self.taken -= 1

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        settings, lane = Settings(), InlineLane()
        events = self.events[session] = []
        state = Session(session, SessionSettings(), settings.turn, [events.append, peer.notify])
        self.sessions[session] = state
        pipeline = Pipeline(
            state,
            peer,
            ears=Ears(LoudnessVad(1000), LoudnessVad(4000)),
            recogniser=Recogniser(self.asr, lane),
            agent=self.agent,
            speaker=Speaker(Pool([Worker(ScriptedTts(), lane)]), 2, lambda: peer.left),
            settings=settings,
        )
        await pipeline.run()
