"""The settings of who may come in, as files and the environment give them."""

from pathlib import Path

import pytest

from voicechat import config
from voicechat.config import Settings
from voicechat.errors import ConfigError


def load(**environ: str) -> Settings:
    return config.load(environ={f"VOICECHAT__ACCESS__{key}": text for key, text in environ.items()}, dotenv="none")


def test_environment_has_lists_with_commas_between() -> None:
    access = load(HOSTS="kiosk.local, fd00::5,", ORIGINS="https://a.example,app://b", BEHIND_PROXY="10.0.0.5").access
    assert access.hosts == ("kiosk.local", "fd00::5")
    assert access.origins == ("https://a.example", "app://b")
    assert access.behind_proxy == ("10.0.0.5/32",)
    assert load(HOSTS="").access.hosts == ()


@pytest.mark.parametrize(
    ("setting", "text", "told"),
    [
        ("hosts", "*", "names such as kiosk.local, or addresses; without a port"),
        ("hosts", "kiosk.local:8080", "names such as kiosk.local"),
        ("hosts", "https://kiosk.local", "names such as kiosk.local"),
        ("origins", "*", "in full and without a path; no *"),
        ("origins", "nobody", "in full and without a path"),
        ("origins", "https://*.example", "no *"),
        ("origins", "https://a.example/", "without a path"),
        ("origins", "a.example", "such as https://app.example.org"),
        ("behind_proxy", "10.0.0.0/40", "'10.0.0.0/40' does not appear to be an IPv4 or IPv6 network"),
        ("behind_proxy", "proxy", "does not appear to be an IPv4 or IPv6 network"),
        ("ticket_seconds", "9", "greater than or equal to 10"),
        ("attempts", "0", "greater than or equal to 1"),
    ],
)
def test_mistake_names_the_variable_and_what_is_allowed(setting: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(**{setting.upper(): text})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"VOICECHAT__ACCESS__{setting.upper()}: access.{setting}") and told in line


def test_files_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("server: {tls_cert: a.pem, tls_key: /b.key}\naccess: {keys: keys.txt}\n")
    settings = config.load(path, environ={}, dotenv="none")
    assert settings.server.tls_cert == tmp_path / "a.pem"
    assert settings.server.tls_key == Path("/b.key")
    assert settings.access.keys == tmp_path / "keys.txt"


def test_keys_may_stand_in_the_file_of_variables_too(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('VOICECHAT_KEYS="kitchen talk a-key-of-20-letters"\n')
    assert config.variables({}, path)["VOICECHAT_KEYS"] == "kitchen talk a-key-of-20-letters"
    assert config.variables({"VOICECHAT_KEYS": ""}, path)["VOICECHAT_KEYS"] == ""
