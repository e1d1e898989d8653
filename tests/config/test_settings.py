"""Settings: what is taken, what is refused and in which words, and that the files in config/ hold."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from voicechat import config
from voicechat.config import Settings
from voicechat.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "config"


def load(path: Path | None = None, *, dotenv: Path = Path("no-such-file"), **environ: str) -> Settings:
    return config.load(path, environ=environ, dotenv=dotenv)


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(*arguments: Any, **named: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*arguments, **named)
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("servr: {port: 1}", "servr: no such setting; did you mean 'server'?"),
        ("server: {prot: 1}", "server.prot: no such setting; did you mean 'port'?"),
        ("log: {colour: red}", "log.colour: no such setting; allowed here: level, format"),
        ("server: {port: 99999}", "server.port: found 99999; allowed: less than or equal to 65535"),
        ("server: {port: many}", "server.port: found 'many'; allowed: a valid integer"),
        ("server: {max_sessions: 0}", "server.max_sessions: found 0; allowed: greater than or equal to 1"),
        ("server: 8080", "server: found 8080; a section of settings is expected"),
        ("turn: {silence: -1}", "turn.silence: found -1; allowed: greater than or equal to 0"),
        ("turn: {silence: .inf}", "turn.silence: found inf; allowed: a finite number"),
        ("asr: {device: gpu}", "asr.device: found 'gpu'; allowed: auto, cpu, cuda or cuda:N"),
        ("log: {level: loud}", "log.level: found 'loud'; allowed: 'debug', 'info', 'warning' or 'error'"),
        ("vad: {webrtc: {aggressiveness: 4}}", "vad.webrtc.aggressiveness: found 4; allowed: less than or equal to 3"),
        ("routing: {affinity: redis}", "found 'redis'; allowed: memory, or an address that begins with redis:// or rediss://"),
        ("[1, 2]", "found a list, sections such as 'server:' are expected"),
        ("server: {port: ", "is not YAML"),
        ("[" * 20_000, "is not YAML"),
        ("server:\n  port: 1\n  port: 2\n", "is not YAML: 'port' is there twice"),
        (
            "agent: {openai: {base_url: localhost}}",
            "found 'localhost'; allowed: an address that begins with http:// or https://",
        ),
    ],
)
def test_mistake_in_a_file_is_one_line_with_file_key_finding_and_choice(tmp_path: Path, text: str, line: str) -> None:
    path = written(tmp_path, text)
    (only,) = mistakes(path)
    assert only.startswith(f"{path}: ")
    assert line in only


@pytest.mark.parametrize("url", ["", "localhost:11434", "file:///etc/passwd", "http://", "http:///v1"])
def test_chat_server_has_an_address_with_a_host(url: str) -> None:
    (only,) = mistakes(VOICECHAT__AGENT__OPENAI__BASE_URL=url)
    assert "agent.openai.base_url: found " in only and "begins with http:// or https://" in only


@pytest.mark.parametrize("url", ["https://mirror.example/hub", "http://127.0.0.1:8000", "http://localhost/hub"])
def test_hub_is_reached_safely_or_is_on_this_machine(url: str) -> None:
    assert load(VOICECHAT__MODELS__HUB=url).models.hub == url


@pytest.mark.parametrize("url", ["", "http://mirror.example", "http://localhost.example", "file:///models"])
def test_hub_in_the_clear_is_refused(url: str) -> None:
    (only,) = mistakes(VOICECHAT__MODELS__HUB=url)
    assert only.endswith("allowed: an address that begins with https://, or http:// on this machine")


def test_every_mistake_gets_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, "server: {port: x, host: 1}\nlog: {level: loud}\n")
    assert [line.split(": ")[1] for line in mistakes(path)] == ["server.host", "server.port", "log.level"]


def test_missing_file_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "none.yaml") == [f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory"]


def test_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == load()


def test_environment_overrides_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "asr: {device: cuda, language: de}")
    settings = load(path, VOICECHAT__ASR__DEVICE="cpu", VOICECHAT__TURN__SILENCE="0.7")
    assert (settings.asr.device, settings.asr.language, settings.turn.silence) == ("cpu", "de", 0.7)


@pytest.mark.parametrize(
    ("given", "read"), [("mhm, go on", ("mhm", "go on")), ("[mhm]", ("mhm",)), ("[]", ()), ("", ())]
)
def test_lists_in_the_environment_have_commas_between(given: str, read: tuple[str, ...]) -> None:
    settings = load(VOICECHAT__TURN__BARGE_IN__BACK_CHANNELS=given, VOICECHAT__TTS__PRELOAD=given)
    assert settings.turn.barge_in.back_channels == settings.tts.preload == read


def test_environment_overrides_dotenv_which_overrides_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "server: {port: 1, host: a}\nasr: {language: de}")
    dotenv = tmp_path / ".env"
    dotenv.write_text("VOICECHAT__SERVER__PORT=2\nVOICECHAT__SERVER__HOST=b\n")
    settings = load(path, dotenv=dotenv, VOICECHAT__SERVER__PORT="3")
    assert (settings.server.port, settings.server.host, settings.asr.language) == (3, "b", "de")


def test_dotenv_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"\xff\xfe\x00")
    assert mistakes(dotenv=dotenv) == [f"{dotenv}: is not UTF-8 text: invalid start byte at byte 0"]


def test_sections_may_share_settings_by_reference(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "asr: &a {device: cpu, language: de}\ntts: {<<: {device: cpu}, voice: x}\n"))
    assert (settings.asr.device, settings.tts.device, settings.tts.voice) == ("cpu", "cpu", "x")


def test_mistake_in_the_environment_names_the_variable() -> None:
    assert mistakes(VOICECHAT__ASR__DEVICE="gpu") == [
        "VOICECHAT__ASR__DEVICE: asr.device: found 'gpu'; allowed: auto, cpu, cuda or cuda:N"
    ]


def test_unknown_variable_of_ours_is_a_mistake_and_others_are_not() -> None:
    assert "did you mean 'server'?" in mistakes(VOICECHAT__SERVR__PORT="1")[0]
    assert load(VOICECHATTER="1", PATH="/bin") == load()


@pytest.mark.parametrize("key", ["12345", "on", "1e5", "null-and-void"])
def test_text_from_the_environment_stays_text(key: str) -> None:
    assert load(VOICECHAT__AGENT__OPENAI__API_KEY=key).agent.openai.api_key == key


def test_null_in_the_environment_unsets(tmp_path: Path) -> None:
    path = written(tmp_path, "agent: {faq: {file: mine.yaml}}")
    assert load(path, VOICECHAT__AGENT__FAQ__FILE="null").agent.faq.file is None


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "agent: {faq: {file: mine.yaml}}\nmodels: {root: models}"))
    assert settings.agent.faq.file == tmp_path / "mine.yaml"
    assert settings.models.root == tmp_path / "models"


def test_models_root_begins_at_home() -> None:
    assert load().models.root == Path.home() / ".local/share/voicechat/models"


def configurations() -> list[Path]:
    """Those in config/; files of questions and answers lie there too."""
    return [path for path in sorted(FOLDER.glob("*.yaml")) if "questions" not in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("path", configurations(), ids=lambda path: path.name)
def test_every_configuration_that_we_ship_loads(path: Path) -> None:
    assert isinstance(load(path), Settings)


def test_default_yaml_is_the_built_in_defaults_in_full() -> None:
    assert load(FOLDER / "default.yaml") == load()
    assert keys_of(yaml.safe_load((FOLDER / "default.yaml").read_text())) == keys_of(Settings().model_dump())


def test_default_yaml_has_a_comment_on_every_setting() -> None:
    setting = re.compile(r"^ *\w+: +(?!#)\S")
    lines = (FOLDER / "default.yaml").read_text().splitlines()
    bare = [
        line
        for above, line in pairwise(lines)
        if setting.match(line) and " # " not in line and not above.lstrip().startswith("#")
    ]
    assert bare == []


def keys_of(values: dict[str, Any]) -> set[str]:
    """Dotted names of all leaves."""
    found = set()
    for key, value in values.items():
        found |= {f"{key}.{inner}" for inner in keys_of(value)} if isinstance(value, dict) else {key}
    return found


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = load()
    assert isinstance(settings, BaseModel)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]
