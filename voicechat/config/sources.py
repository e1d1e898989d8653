"""Where settings come from: built-in defaults, then a YAML file, then `.env`, then the environment.

`VOICECHAT__ASR__DEVICE=cpu` sets `asr.device`. Every mistake is a ConfigError that names the key, where it was set,
what was found and what is allowed.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError

from voicechat.config.mistakes import explain
from voicechat.config.section import Section
from voicechat.config.settings import Settings
from voicechat.config.yaml_file import read_yaml
from voicechat.errors import ConfigError

S = TypeVar("S", bound=Section)

PREFIX: Final = "VOICECHAT__"

_PATHS: Final = ("models.root", "agent.faq.file", "access.keys", "server.tls_cert", "server.tls_key")


def load(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    dotenv: str | Path = ".env",
) -> Settings:
    """The settings of a file (None: the defaults), overridden by `.env` and the environment.

    Raises ConfigError with one line for each mistake.
    """
    values = read_yaml(Path(path)) if path is not None else {}
    sources: dict[str, str] = {}
    for name, text in variables(environ, dotenv).items():
        if name.upper().startswith(PREFIX):
            key = tuple(name[len(PREFIX) :].lower().split("__"))
            _put(values, key, _scalar(text))
            sources[".".join(key)] = name
    settings = _validate(values, str(path) if path is not None else "defaults", sources)
    return _resolve(settings, Path(path).parent if path is not None else Path())


def variables(environ: Mapping[str, str] | None = None, dotenv: str | Path = ".env") -> dict[str, str]:
    """Those of `.env` and, before them, those of the environment. Raises ConfigError."""
    return {**_read_dotenv(Path(dotenv)), **(os.environ if environ is None else environ)}


def changed(settings: Settings, changes: Mapping[str, str], source: str) -> Settings:
    """Other values, given as text as in the environment, for keys such as "turn.silence".

    Raises ConfigError with one line for each mistake; `source` says where the values were given.
    """
    values = settings.model_dump()
    for key, text in changes.items():
        _put(values, tuple(key.split(".")), _scalar(text))
    return _validate(values, source, {})


def _validate(values: dict[str, Any], where: str, sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [explain(details, where, sources, Settings) for details in error.errors()]
        raise ConfigError("bad_config", "\n".join(lines)) from None


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {key: value for key, value in dotenv_values(path).items() if value is not None}
    except OSError as error:
        raise ConfigError("no_config", f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError("bad_dotenv", f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _scalar(text: str) -> str | None:
    """An environment's text stays text, so that a key of digits is a key; pydantic reads numbers from it."""
    return None if text.strip().lower() == "null" else text


def _put(values: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        inner = values.get(part)
        values[part] = inner = dict(inner) if isinstance(inner, dict) else {}
        values = inner
    values[key[-1]] = value


def _resolve(settings: Settings, base: Path) -> Settings:
    """Paths made absolute: those of a file are relative to it; `~` is the home directory."""
    for path in _PATHS:
        settings = _resolved(settings, path.split("."), base)
    return settings


def _resolved(section: S, path: Sequence[str], base: Path) -> S:
    name, *rest = path
    value = getattr(section, name)
    if rest:
        value = _resolved(value, rest, base)
    elif value is not None:
        value = base / value.expanduser()
    return section.model_copy(update={name: value})
