"""Settings of what an agent may have done for it: `agent.tools`."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from voicechat.config.section import Count, Seconds, Section, Texts
from voicechat.conversation import Tool

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Of a tool, as chat servers take it, or of a server of tools."""

Address = Annotated[str, Field(pattern=r"^(https?://[^/\s]+\S*)?$")]


class FunctionSettings(Section):
    """One tool, and one way to run it."""

    name: Name
    description: str = ""
    """What a language model reads of it; empty: what the function itself says."""
    parameters: dict[str, JsonValue] = {}
    """A JSON Schema of its arguments, which are an object; empty: none, or those of the function itself."""
    python: Annotated[str, Field(pattern=r"^([\w.]+:\w+)?$")] = ""
    """A function that can be imported, as module:function."""
    url: Address = ""
    """Where its name and arguments are posted as JSON."""
    token_env: str = ""
    """The environment variable with the bearer token for `url`."""
    by: Literal["client"] | None = None
    """The caller's program runs it: for RTVI callers, who cannot say what they have."""

    @model_validator(mode="after")
    def _runs_in_one_way(self) -> Self:
        if sum(map(bool, (self.python, self.url, self.by))) != 1:
            raise ValueError("one of python, url and by is expected")
        if self.token_env and not self.url:
            raise ValueError("token_env goes with url")
        return self

    @property
    def tool(self) -> Tool:
        """As an agent is told of it."""
        parameters = self.parameters or {"type": "object", "properties": {}}
        return Tool(self.name, self.description, json.dumps(parameters))


class McpSettings(Section):
    """A server of tools that speaks the Model Context Protocol: a program to start, or an address."""

    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """More of the environment for the program; it sees little of ours."""
    url: Address = ""
    token_env: str = ""
    """The environment variable with the bearer token for `url`."""
    only: Texts = ()
    """The tools that may be used; empty: all."""

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("one of command and url is expected")
        if self.token_env and not self.url or self.env and not self.command:
            raise ValueError("token_env goes with url, env with command")
        return self


class ToolSettings(Section):
    functions: tuple[FunctionSettings, ...] = ()
    mcp: dict[Name, McpSettings] = {}
    """Servers of tools by the label that callers know them by."""
    deadline: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a tool of this house may take."""
    rounds: Count = 4
    """How often in one answer the agent may ask for tools; after that it has to say what it knows."""
    filler: str = "One moment."
    """Said once in an answer while tools run and nothing has been said; empty: nothing."""
    filler_after: Seconds = 0.8
    """So long after a tool was begun."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [function.name for function in self.functions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two functions are named {twice[0]}")
        return self

    @property
    def theirs(self) -> tuple[Tool, ...]:
        """What callers' programs run."""
        return tuple(function.tool for function in self.functions if function.by == "client")
