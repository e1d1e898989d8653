"""A whole conversation on virtual time: a scripted caller, scripted engines, the real session between them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests import virtual_time
from tests.fakes import FakePeer, InlineLane, LoudnessVad, ScriptedAgent, ScriptedAsr, ScriptedTools, ScriptedTts
from voicechat.config import Settings
from voicechat.conversation import SessionSettings
from voicechat.ears import Ears
from voicechat.events import DraftDecided, Event
from voicechat.kit import Kit
from voicechat.pipeline import Pipeline
from voicechat.pool import Pool
from voicechat.protocols import EchoGate, Patience, Spotter
from voicechat.reply import Speaker
from voicechat.session import Session
from voicechat.turnstile import Worker
from voicechat.understanding import Recogniser

LONG = " ".join(f"word{n}" for n in range(60))
"""3.6 seconds of answer."""


@dataclass
class Call:
    """A session between a fake peer and scripted engines."""

    asr: ScriptedAsr = field(default_factory=lambda: ScriptedAsr("hello there"))
    agent: ScriptedAgent = field(default_factory=lambda: ScriptedAgent(["good morning to you"]))
    tts: ScriptedTts = field(default_factory=ScriptedTts)
    settings: Settings = field(default_factory=Settings)
    session_settings: SessionSettings = field(default_factory=SessionSettings)
    lane: InlineLane = field(default_factory=InlineLane)
    spotter: Spotter | None = None
    patience: Patience | None = None
    gate: EchoGate | None = None
    tools: ScriptedTools = field(default_factory=ScriptedTools)
    make_peer: Callable[[], FakePeer] = FakePeer
    peer: FakePeer = field(init=False)
    session: Session = field(init=False)
    pipeline: Pipeline = field(init=False)

    async def run(self, caller: Callable[["Call"], Coroutine[Any, Any, None]]) -> None:
        """The session, while the caller acts; hangs up when the caller is done."""
        self.peer = self.make_peer()
        self.session = Session("sess_test", self.session_settings, self.settings.turn, [self.peer.notify])
        self.pipeline = Pipeline(
            self.session,
            self.peer,
            ears=Ears(
                LoudnessVad(1000),
                LoudnessVad(5000),
                spotter=self.spotter,
                patience=self.patience,
                gate=self.gate,
            ),
            recogniser=Recogniser(self.asr, self.lane),
            agent=self.agent,
            speaker=Speaker(Pool([Worker(self.tts, self.lane)]), 2, lambda: self.peer.left),
            settings=self.settings,
            kit=Kit([self.tools]),
        )
        wire = asyncio.create_task(self.peer.speak())
        acting = asyncio.create_task(caller(self))
        try:
            self.reason = await self.pipeline.run()
            await acting
        finally:
            acting.cancel()
            wire.cancel()
            await asyncio.wait({acting, wire})


def of(call: Call, *kinds: type[Event]) -> list[Any]:
    return [event for event in call.peer.events if isinstance(event, kinds)]


def kinds(call: Call, *leave: type[Event]) -> list[str]:
    """The names of all that the caller's program is told, and drafts are not."""
    return [type(event).__name__ for event in call.peer.events if not isinstance(event, (DraftDecided, *leave))]


def texts(call: Call) -> list[tuple[str, str]]:
    return [(item.role.value, item.text) for item in call.session.history]


async def until(call: Call, kind: type[Event], count: int = 1) -> None:
    await call.peer.until(kind, count)


def converse(call: Call, caller: Callable[[Call], Coroutine[Any, Any, None]]) -> Call:
    virtual_time.run(call.run(caller))
    return call
