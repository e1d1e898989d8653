"""A YAML file of sections."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from voicechat.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a YAML file, {} when it is empty. Raises ConfigError with one line."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise ConfigError("no_config", f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = str(error).replace("\n", " ")
        raise ConfigError("bad_yaml", f"{path}: is not YAML: {' '.join(line.split())[:160]}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        found = type(values).__name__
        raise ConfigError("bad_yaml", f"{path}: found a {found}, sections such as 'server:' are expected")
    return values


class _Loader(yaml.SafeLoader):
    """Does not let a key that comes twice hide the one before it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is there twice", key.start_mark)
            known.add(str(key.value))
        return super().construct_mapping(node, deep)
