"""Tools that are Python functions of the operator's own, named as module:function."""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import structlog
from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model

from voicechat.adapters.toolbox.exchange import arguments, reason, result
from voicechat.config import FunctionSettings, Settings
from voicechat.conversation import Tool, ToolCall
from voicechat.errors import AdapterUnavailable, EngineFailed, ToolFailed
from voicechat.protocols import Lane, Toolbox


async def load(settings: Settings, lanes: Callable[[str, float], Lane]) -> list[Toolbox]:
    """All that are functions, in one box. Imports them. Raises AdapterUnavailable for one that is not there."""
    functions = [function for function in settings.agent.tools.functions if function.python]
    deadline = settings.agent.tools.deadline
    return [PythonTools([Function.found(one, lanes, deadline) for one in functions])] if functions else []


class Function:
    """A function and what it takes, by its signature: that is told to the agent, and what the agent gives is checked.

    One that is no coroutine runs on a lane of its own, one call at a time; what it does is not stopped by a cancel.
    """

    def __init__(self, function: Callable[..., Any], settings: FunctionSettings, lane: Lane | None) -> None:
        """Raises AdapterUnavailable for a signature that cannot be told."""
        self.name = settings.name
        self._function, self._lane = function, lane
        self._taken = _taken(function, settings)
        schema = settings.tool.parameters if settings.parameters else json.dumps(_schema(self._taken))
        self.tool = Tool(self.name, settings.description or _told(function), schema)

    @classmethod
    def found(cls, settings: FunctionSettings, lanes: Callable[[str, float], Lane], deadline: float) -> "Function":
        """The function that is named, imported. Raises AdapterUnavailable."""
        module, _, name = settings.python.partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise _unavailable(settings, str(error)) from error
        if not callable(function):
            raise _unavailable(settings, "is no function")
        waits = inspect.iscoroutinefunction(function)
        return cls(function, settings, None if waits else lanes(f"tool-{settings.name}", deadline))

    async def call(self, given: Mapping[str, Any]) -> object:
        """What it returns. Raises ToolFailed, EngineFailed, and whatever the function raises."""
        try:
            taken = self._taken.model_validate(given)
        except ValidationError as error:
            raise ToolFailed("tool_arguments", _mistakes(error)) from None
        values = {name: getattr(taken, name) for name in taken.model_fields_set}
        if self._lane is None:
            return await self._function(**values)
        return await self._lane.run(lambda: self._function(**values))


class PythonTools:
    """What a function returns is the result, as it is or as JSON. The words of a ValueError are for the agent."""

    label = "python"

    def __init__(self, functions: Sequence[Function]) -> None:
        self.tools: Sequence[Tool] = tuple(function.tool for function in functions)
        self._functions = {function.name: function for function in functions}
        self._log = structlog.get_logger()

    async def call(self, call: ToolCall) -> str:
        """See `protocols.Toolbox.call`."""
        function, given = self._functions[call.name], arguments(call)
        try:
            return result(await function.call(given))
        except ToolFailed:
            raise
        except EngineFailed as error:
            raise ToolFailed("tool_timeout", "it took too long") from error
        except ValueError as error:
            raise ToolFailed("tool_failed", reason(error)) from error
        except Exception as error:  # whatever a function of somebody else's raises: its author is told, not the caller
            self._log.exception("tool_broke", tool=call.name)
            raise ToolFailed("tool_failed", "it broke") from error

    async def close(self) -> None:
        """The lanes are the house's."""


def _taken(function: Callable[..., Any], settings: FunctionSettings) -> type[BaseModel]:
    """What a function takes, by its annotations; anything where it has none."""
    try:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"cannot be called by name with {parameter}")
            fields[name] = (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        return create_model(settings.name, __config__=ConfigDict(extra="forbid"), **fields)
    except (TypeError, NameError, ValueError, PydanticUserError) as error:
        raise _unavailable(settings, str(error)) from error


def _schema(taken: type[BaseModel]) -> dict[str, Any]:
    return {key: value for key, value in taken.model_json_schema().items() if key != "title"}


def _told(function: Callable[..., Any]) -> str:
    """The first paragraph of what the function says of itself."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _mistakes(error: ValidationError) -> str:
    lines = (f"{'.'.join(map(str, details['loc']))}: {details['msg']}" for details in error.errors())
    return reason("; ".join(lines))


def _unavailable(settings: FunctionSettings, why: str) -> AdapterUnavailable:
    return AdapterUnavailable("no_tool", f"agent.tools.functions: {settings.name}: {settings.python}: {why}")
