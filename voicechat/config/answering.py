"""Settings of the engines that answer: `agent`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from voicechat.config.section import Count, Seconds, Section
from voicechat.config.tools import ToolSettings


class FaqSettings(Section):
    file: Path | None = None
    """Questions and answers; relative to the configuration file. Empty: the built-in welcome."""
    cutoff: Annotated[float, Field(ge=0, le=100)] = 78.0
    """Likeness from which a sentence counts as a known question."""


class OpenaiSettings(Section):
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] = "http://127.0.0.1:11434/v1"
    model: str = "llama3.2"
    api_key: str = "none"
    first_token: Seconds = 10.0
    """Deadline for the first token."""
    next_token: Seconds = 5.0
    """Deadline for each token after it."""
    max_tokens: Count = 500
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    speculate: bool = True
    """The server is asked while the caller may still go on (`turn.preempt`); some answers are then thrown away."""
    sees: bool = False
    """The model understands pictures: those in items of a realtime conversation are shown to it."""
    usage: bool = True
    """Ask the server what an answer cost; some old ones refuse that."""


class ScriptedAgentSettings(Section):
    sentences: Count = 5
    words: Count = 10
    """In a sentence; each is a token."""
    token: Seconds = 0.005
    """Between two of them."""
    delay: Seconds = 0.0
    """Before the first: what engines would take that take no time here."""


class AgentSettings(Section):
    engine: str = "faq"
    instructions: str = (
        "You are a friendly voice assistant. Answer in one or two short spoken sentences, without lists or markup."
    )
    greeting: str = ""
    """Spoken when a caller connects; empty: wait for them."""
    fallback: str = "Sorry, something went wrong on my side. Please ask me again."
    """Spoken when the agent fails."""
    faq: FaqSettings = FaqSettings()
    openai: OpenaiSettings = OpenaiSettings()
    scripted: ScriptedAgentSettings = ScriptedAgentSettings()
    tools: ToolSettings = ToolSettings()
