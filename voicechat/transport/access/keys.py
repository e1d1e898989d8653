"""Keys: who may ask for what, as a file or the environment names them.

A line for each key, with what it may do and either itself or its digest:

    # name   scopes           key
    kitchen  talk             Vq2nZk8mX1uY7sTe
    monitor  metrics,operate  sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae

No I/O but reading that file.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voicechat.errors import ConfigError
from voicechat.transport.access.scopes import Scope

VARIABLE: Final = "VOICECHAT_KEYS"
"""The environment's keys: the same lines, with semicolons between them."""

SHORTEST: Final = 16
"""Characters of a key; 16 of base64 are 96 bits, far more than anybody can try."""

_GIVEN: Final = ("talk", "operate", "metrics")
_DIGEST: Final = re.compile(r"sha256:[0-9a-fA-F]{64}")
_FILE_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose something is: who has the key of that name and SHA-256. With another secret the name is somebody else's."""

    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """One key; it is known by its SHA-256 only."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes

    @property
    def owner(self) -> Owner:
        return Owner(self.name, self.digest)


class Keys:
    """All keys of the server."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and set(self._keys) == set(other._keys)

    def __hash__(self) -> int:
        return hash(frozenset(self._keys))

    def less(self, now: "Keys") -> frozenset[Owner]:
        """Whose keys are not among the others any more, or may do less there."""
        kept = {key.owner: key.scopes for key in now._keys}
        return frozenset(key.owner for key in self._keys if not key.scopes <= kept.get(key.owner, set()))

    def find(self, secret: str) -> Key | None:
        """The key that the secret is; it takes as long whether there is one or not, and whichever it is."""
        digest = digest_of(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


NOBODYS: Final = Keys()
"""None at all."""


def digest_of(secret: str) -> bytes:
    """Of any text, as headers may hold it."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def load(path: Path | None, environ: Mapping[str, str]) -> Keys:
    """Those of the file and of the environment. Blocking.

    Raises ConfigError, with a line for each mistake. None of them quotes what it found: where words are in a wrong
    place, any of them may be the key.
    """
    lines: list[tuple[str, str]] = []
    if path is not None:
        lines += [(f"{path}:{number}", line) for number, line in enumerate(_read(path).splitlines(), 1)]
    lines += [(f"{VARIABLE}:{number}", line) for number, line in enumerate(environ.get(VARIABLE, "").split(";"), 1)]
    keys: list[Key] = []
    mistakes: list[str] = []
    for where, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(_key(line, keys))
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
    if path is not None and not keys and not mistakes:
        mistakes.append(f"access.keys: {path} has no key in it")
    if mistakes:
        raise ConfigError("bad_config", "\n".join(mistakes))
    return Keys(keys)


def make(name: str, scopes: str) -> tuple[str, str]:
    """A new key's line, which has its digest only, and the key. Raises ConfigError."""
    secret = secrets.token_urlsafe(24)
    line = f"{name} {scopes} sha256:{digest_of(secret).hex()}"
    try:
        _key(line, [])
    except ValueError as error:
        raise ConfigError("bad_key", str(error)) from None
    return line, secret


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise ConfigError(
                "bad_config", f"access.keys: {path} has mode {mode:04o}, so others may read it; do: chmod 600 {path}"
            )
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES + 1)
        if len(content) > _FILE_BYTES:
            raise ConfigError("bad_config", f"access.keys: {path} is larger than {_FILE_BYTES} bytes")
        return content.decode()
    except OSError as error:
        raise ConfigError("bad_config", f"access.keys: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError("bad_config", f"access.keys: {path} is not UTF-8 text") from None


def _key(line: str, others: Sequence[Key]) -> Key:
    """Raises ValueError with what is wrong, in none of the line's words."""
    words = line.split()
    if len(words) != 3:
        raise ValueError(f"found {len(words)} words; expected: a name, scopes with commas between them, and the key")
    name, scopes, key = words
    if any(word not in _GIVEN for word in scopes.split(",")):
        raise ValueError(f"the second word is no list of scopes; allowed: {', '.join(_GIVEN)}, with commas between")
    if _DIGEST.fullmatch(key):
        digest = bytes.fromhex(key.partition(":")[2])
    elif key.startswith(("ek_", "sha256:")):
        raise ValueError("the key may not begin with ek_, or is no SHA-256 in 64 hexadecimal digits")
    elif len(key) < SHORTEST or not key.isascii() or not key.isprintable():
        raise ValueError(f"the key is too weak; expected: at least {SHORTEST} characters of ASCII")
    else:
        digest = digest_of(key)
    if any(other.name == name or other.digest == digest for other in others):
        raise ValueError("its name or its key is that of a line before it")
    return Key(name, frozenset(Scope(word) for word in scopes.split(",")), digest)
