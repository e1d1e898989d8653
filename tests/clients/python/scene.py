"""What a client's program is asked to do: `PROGRAM URL KEY WAV SCENE`, where the scene is turn, interrupt or tool."""

import sys
from dataclasses import dataclass

MODEL = "gpt-realtime"
BEFORE_CUT = 2.5
"""Seconds of an answer that are listened to before somebody speaks over it."""

LONGEST = 60.0
"""Seconds that a scene may take."""

HOURS = "The dinosaurs are open until six."
"""The result of the tool that clients offer."""

PARAMETERS = {"type": "object", "properties": {"hall": {"type": "string"}}, "required": ["hall"]}


@dataclass(frozen=True)
class Scene:
    """`url` is the server's, without a path."""

    url: str
    key: str
    speech: str
    name: str

    @property
    def socket(self) -> str:
        """The server's URL for WebSockets."""
        return self.url.replace("http", "ws", 1)

    @property
    def interrupts(self) -> bool:
        return self.name == "interrupt"

    @property
    def calls(self) -> bool:
        return self.name == "tool"

    @property
    def instructions(self) -> str:
        return "Answer at length." if self.interrupts else "Answer briefly."


def scene() -> Scene:
    return Scene(*sys.argv[1:5])
