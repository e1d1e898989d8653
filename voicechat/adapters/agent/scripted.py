"""Answers with sentences of counted words at an even pace: for benchmarks.

`delay` stands for all that other engines take time for: a recogniser's last step, a voice's first sound. It is waited
here, on the loop, because a sleep on a lane would hold up every other caller and be measured as if the server were
slow. The caller waits the same sum either way.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from voicechat.config import ScriptedAgentSettings, Settings
from voicechat.conversation import Item, SessionSettings

WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class ScriptedAgent:
    name = "scripted"
    speculates = True
    phrases: Sequence[str] = ()

    def __init__(self, script: ScriptedAgentSettings) -> None:
        self._script = script
        sentence = [WORDS[number % len(WORDS)] for number in range(script.words)]
        sentence = [sentence[0].capitalize(), *sentence[1:]]
        sentence[-1] += "."
        self._tokens = [f"{word} " for word in sentence * script.sentences]

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[str]:
        """A word a token; each has its own deadline, so that the pace does not drift."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._script.delay
        for token in self._tokens:
            due += self._script.token
            await asyncio.sleep(due - loop.time())
            yield token

    async def close(self) -> None:
        """Nothing to give back."""


def load(settings: Settings) -> ScriptedAgent:
    """Needs nothing."""
    return ScriptedAgent(settings.agent.scripted)
