"""Settings of tools: what is taken, and what is refused in which words."""

import json
from pathlib import Path
from typing import Any

import pytest

from voicechat import config
from voicechat.config import ToolSettings
from voicechat.conversation import Tool
from voicechat.errors import ConfigError


def load(folder: Path, tools: dict[str, Any]) -> ToolSettings:
    path = folder / "settings.yaml"
    path.write_text(json.dumps({"agent": {"tools": tools}}))
    return config.load(path, environ={}, dotenv="no-such-file").agent.tools


@pytest.mark.parametrize(
    ("tools", "line"),
    [
        ({"functions": [{"name": "a"}]}, "functions.0: found {'name': 'a'}; one of python, url and by is expected"),
        ({"functions": [{"name": "a", "python": "m:f", "url": "http://h/"}]}, "one of python, url and by is expected"),
        ({"functions": [{"name": "a", "python": "m:f", "token_env": "T"}]}, "token_env goes with url"),
        ({"functions": [{"name": "a b", "by": "client"}]}, "found 'a b'; allowed: up to 64 letters, digits, _ and -"),
        ({"functions": [{"name": "a", "python": "f"}]}, "functions.0.python: found 'f'; allowed: module:function"),
        ({"functions": [{"name": "a", "url": "file:///etc"}]}, "allowed: an address that begins with http:// or https://"),
        ({"functions": [{"name": "a", "by": "me"}]}, "agent.tools.functions.0.by: found 'me'; allowed: 'client'"),
        ({"functions": [{"name": "a", "pyton": "m:f"}]}, "functions.0.pyton: no such setting; did you mean 'python'?"),
        ({"functions": [{"name": "a", "by": "client"}] * 2}, "two functions are named a"),
        ({"mcp": {"x": {}}}, "agent.tools.mcp.x: found {}; one of command and url is expected"),
        ({"mcp": {"x": {"command": ["a"], "url": "http://h/"}}}, "one of command and url is expected"),
        ({"mcp": {"x": {"command": ["a"], "token_env": "T"}}}, "token_env goes with url, env with command"),
        ({"mcp": {"x": {"url": "http://h/", "env": {"A": "b"}}}}, "token_env goes with url, env with command"),
        ({"mcp": {"url": {"comand": ["a"]}}}, "agent.tools.mcp.url.comand: no such setting; did you mean 'command'?"),
        ({"mcp": {"x y": {"url": "http://h/"}}}, "allowed: up to 64 letters, digits, _ and -"),
        ({"functons": []}, "agent.tools.functons: no such setting; did you mean 'functions'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path: Path, tools: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, tools)
    (only,) = {told for told in caught.value.message.splitlines() if line in told}
    assert only.startswith(f"{tmp_path / 'settings.yaml'}: agent.tools")


def test_what_callers_run_is_told_to_the_agent(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}}
    tools = load(
        tmp_path,
        {
            "functions": [
                {"name": "paint", "description": "Paints.", "parameters": schema, "by": "client"},
                {"name": "add", "python": "m:f"},
                {"name": "blink", "by": "client"},
            ]
        },
    )
    assert tools.theirs == (
        Tool("paint", "Paints.", json.dumps(schema)),
        Tool("blink", "", '{"type": "object", "properties": {}}'),
    )
