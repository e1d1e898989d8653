"""Keys as a file and the environment name them, and every way in which they may be wrong."""

import hashlib
from pathlib import Path

import pytest

from voicechat.errors import ConfigError
from voicechat.transport.access import keys
from voicechat.transport.access.keys import Keys
from voicechat.transport.access.scopes import Scope

SECRET = "Vq2nZk8mX1uY7sTe"
OTHER = "another-key-of-24-letters"


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "keys.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def load(path: Path | None = None, variable: str = "") -> Keys:
    return keys.load(path, {keys.VARIABLE: variable})


def test_key_is_found_by_itself_or_its_digest(tmp_path: Path) -> None:
    digest = hashlib.sha256(OTHER.encode()).hexdigest()
    path = written(tmp_path, f"# ours\n\nkitchen talk {SECRET}\nmonitor\tmetrics,operate  sha256:{digest.upper()}\n")
    found = load(path)
    assert len(found) == 2
    kitchen, monitor = found.find(SECRET), found.find(OTHER)
    assert kitchen is not None and (kitchen.name, set(kitchen.scopes)) == ("kitchen", {Scope.TALK})
    assert monitor is not None and (monitor.name, set(monitor.scopes)) == ("monitor", {Scope.METRICS, Scope.OPERATE})


@pytest.mark.parametrize("secret", ["", SECRET[:-1], f"{SECRET} ", SECRET.lower(), "é" * 16, "\udcff", "x" * 100_000])
def test_what_is_not_the_key_is_not_found(secret: str) -> None:
    assert load(variable=f"kitchen talk {SECRET}").find(secret) is None


def test_digest_in_the_file_is_no_key_itself(tmp_path: Path) -> None:
    digest = f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"
    assert load(written(tmp_path, f"kitchen talk {digest}")).find(digest) is None


def test_environment_has_lines_with_semicolons_between() -> None:
    found = load(variable=f"kitchen talk {SECRET}; ;monitor metrics {OTHER};")
    assert found.find(SECRET) and found.find(OTHER)
    assert len(load(variable=" ")) == len(keys.load(None, {})) == 0


def test_file_and_environment_add_up(tmp_path: Path) -> None:
    found = load(written(tmp_path, f"kitchen talk {SECRET}"), f"monitor metrics {OTHER}")
    assert len(found) == 2


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, f"kitchen talk {SECRET}", mode)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value) == f"access.keys: {path} has mode {mode:04o}, so others may read it; do: chmod 600 {path}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"kitchen {SECRET}", "found 2 words; expected: a name, scopes with commas between them, and the key"),
        (f"kitchen talk, metrics {SECRET}", "found 4 words"),
        (f"kitchen admin {SECRET}", "the second word is no list of scopes; allowed: talk, operate, metrics"),
        (f"kitchen open {SECRET}", "no list of scopes"),
        (f"kitchen talk, {SECRET}", "no list of scopes"),
        (f"kitchen {SECRET} talk", "no list of scopes"),
        (f"{SECRET} talk kitchen", "the key is too weak"),
        (f"{SECRET} kitchen talk", "no list of scopes"),
        (f"kitchen talk {SECRET[:-1]}", "the key is too weak; expected: at least 16 characters of ASCII"),
        (f"kitchen talk {SECRET}é", "the key is too weak"),
        (f"kitchen talk {SECRET}\x00", "the key is too weak"),
        (f"kitchen talk ek_{SECRET}", "the key may not begin with ek_"),
        (f"kitchen talk sha256:{SECRET}", "or is no SHA-256 in 64 hexadecimal digits"),
    ],
)
def test_mistake_is_a_line_that_says_where_and_what_but_not_the_key(tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path, f"# one\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        load(path)
    (told,) = str(refused.value).splitlines()
    assert told.startswith(f"{path}:2: ") and reason in told
    assert SECRET[:8] not in told


def test_every_mistake_gets_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, f"a talk short\nb talk {SECRET}\nb talk {OTHER}\nc talk {SECRET}\n")
    with pytest.raises(ConfigError) as refused:
        load(path, ";d")
    assert [line.split(": ")[0] for line in str(refused.value).splitlines()] == [
        f"{path}:1", f"{path}:3", f"{path}:4", f"{keys.VARIABLE}:2",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "# kitchen talk later\n", b"\xff\xfe", b"x" * 1_048_577])
def test_file_without_a_key_does_not_open_the_server_to_all(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigError, match=r"access\.keys: "):
        load(written(tmp_path, text))


def test_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load(tmp_path / "keys.txt")
    with pytest.raises(ConfigError, match=r"access\.keys: "):
        load(tmp_path)


def test_made_key_is_found_by_its_line(tmp_path: Path) -> None:
    line, secret = keys.make("kitchen", "talk,metrics")
    assert secret not in line
    key = load(written(tmp_path, line)).find(secret)
    assert key is not None and key.scopes == {Scope.TALK, Scope.METRICS}
    with pytest.raises(ConfigError, match="allowed: talk, operate, metrics"):
        keys.make("kitchen", "everything")


@pytest.mark.parametrize(
    ("now", "less"),
    [
        (f"kitchen talk {SECRET}; hall talk,metrics {OTHER}", set()),
        (f"hall talk,metrics {OTHER}; kitchen talk,operate {SECRET}; new talk a-key-of-somebody-else", set()),
        (f"hall talk,metrics {OTHER}", {"kitchen"}),
        (f"kitchen talk {SECRET}; hall talk {OTHER}", {"hall"}),
        (f"kitchen talk {SECRET[::-1]}; hall talk,metrics {OTHER}", {"kitchen"}),
        (f"cellar talk {SECRET}; hall talk,metrics {OTHER}", {"kitchen"}),
        ("", {"kitchen", "hall"}),
    ],
)
def test_keys_that_went_changed_or_may_do_less_are_named(now: str, less: set[str]) -> None:
    before, after = load(variable=f"kitchen talk {SECRET}; hall talk,metrics {OTHER}"), load(variable=now)
    assert {owner.name for owner in before.less(after)} == less
    assert (before == after) is (now.startswith("kitchen talk") and not less)
