"""Settings of what an agent may have done for it: `agent.tools`."""

from typing import Annotated

from pydantic import Field

from voicechat.config.section import Count, Seconds, Section


class ToolSettings(Section):
    deadline: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a tool of this house may take."""
    rounds: Count = 4
    """How often in one answer the agent may ask for tools; after that it has to say what it knows."""
    filler: str = "One moment."
    """Said once in an answer while tools run and nothing has been said; empty: nothing."""
    filler_after: Seconds = 0.8
    """So long after a tool was begun."""
