"""The seams: what a transport gives the pipeline, and what an engine must do."""

from voicechat.protocols.agent import Agent
from voicechat.protocols.hearing import (
    Canceller,
    EchoGate,
    Patience,
    Spotter,
    SpotterStream,
    TurnDetector,
    VadEngine,
    VadStream,
)
from voicechat.protocols.lane import Lane
from voicechat.protocols.peer import Heard, Peer, Reception, SpeechChunk
from voicechat.protocols.recognition import AsrEngine, AsrStream, Weighing
from voicechat.protocols.speech import Capabilities, Speech, TtsEngine, Voice
from voicechat.protocols.studio import Hearer, Job, NamedVoice, Outcome, Passage, Studio
from voicechat.protocols.tools import Toolbox

__all__ = [
    "Agent",
    "AsrEngine",
    "AsrStream",
    "Canceller",
    "Capabilities",
    "EchoGate",
    "Heard",
    "Hearer",
    "Job",
    "Lane",
    "NamedVoice",
    "Outcome",
    "Passage",
    "Patience",
    "Peer",
    "Reception",
    "Speech",
    "SpeechChunk",
    "Spotter",
    "SpotterStream",
    "Studio",
    "Toolbox",
    "TtsEngine",
    "TurnDetector",
    "VadEngine",
    "VadStream",
    "Voice",
    "Weighing",
]
