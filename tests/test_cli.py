"""The command line as a shell sees it: real processes, what they print and how they end."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import aiohttp
import numpy as np
import pytest

from tests.tiny import whisper
from voicechat.audio import read_wav, resample, write_wav

ROOT = Path(__file__).parent.parent
DEADLINE = 40.0
SECRET = "key-of-one-who-talks"


def voicechat(*arguments: str | Path, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "voicechat", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@contextmanager
def server(
    *arguments: str, stderr: int | IO[bytes] = subprocess.DEVNULL, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and its ready line; it is stopped afterwards, if it has not been."""
    process = subprocess.Popen(
        [sys.executable, "-m", "voicechat", "serve", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)
        process.stdout.close()


def address(ready: str) -> str:
    found = re.search(r"http://\S+", ready)
    assert found is not None
    return found.group()


def test_without_a_command_it_lists_them() -> None:
    result = voicechat()
    for command in ("serve", "demo", "talk", "say", "transcribe", "check"):
        assert command in result.stdout + result.stderr


def test_good_configuration_is_called_good() -> None:
    result = voicechat("check", "config/default.yaml")
    assert (result.returncode, result.stdout, result.stderr) == (0, "config/default.yaml: good\n", "")


def test_check_tells_each_mistake_in_a_line_and_exits_78(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("server: {port: x}\nasr: {device: gpu}\n")
    result = voicechat("check", path)
    assert result.returncode == 78
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["server.port", "asr.device"]
    assert result.stdout == ""


def test_check_tells_which_engines_there_are(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("tts: {engine: espaek}\nagent: {engine: auto}\n")
    result = voicechat("check", path)
    assert result.returncode == 78
    agent, tts = result.stderr.splitlines()
    assert "agent.engine: found 'auto'; allowed: " in agent
    assert "faq" in agent and "openai" in agent
    assert "tts.engine: found 'espaek'; allowed: auto, espeak, " in tts


def test_check_reads_the_questions_and_answers_too(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.yaml"
    path.write_text("agent: {engine: faq, faq: {file: faq.yaml}}\n")
    missing = voicechat("check", path)
    assert (missing.returncode, missing.stdout) == (78, "")
    assert missing.stderr == f"{tmp_path / 'faq.yaml'}: cannot be read: No such file or directory\n"
    (tmp_path / "faq.yaml").write_text("questons: []\n")
    wrong = voicechat("check", path)
    assert (wrong.returncode, wrong.stdout) == (78, "")
    assert wrong.stderr.startswith(str(tmp_path / "faq.yaml"))


@pytest.mark.parametrize("command", [("serve",), ("demo",), ("say", "hello", "-o", "x.wav"), ("transcribe", "x.wav")])
def test_every_command_refuses_a_bad_configuration_alike(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = voicechat(*command, cwd=tmp_path, VOICECHAT__LOG__LEVEL="loud")
    assert result.returncode == 78
    assert result.stderr.startswith("VOICECHAT__LOG__LEVEL: log.level: found 'loud'; allowed: ")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_server_is_ready_with_one_line_and_ends_well_on_sigterm() -> None:
    with server() as (process, ready):
        assert re.fullmatch(
            r"voicechat ready at http://127\.0\.0\.1:\d+ \(asr \w+, tts \w+, agent faq\)\n", ready
        ), ready
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=DEADLINE)
        assert (process.returncode, rest) == (0, "")


def test_default_voice_that_the_engine_lacks_is_a_mistake_in_the_configuration() -> None:
    result = voicechat("serve", "--port", "0", VOICECHAT__TTS__ENGINE="espeak", VOICECHAT__TTS__VOICE="en-uk")
    assert (result.returncode, result.stdout) == (78, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("tts.voice: found 'en-uk'; allowed with espeak: en-us, ")


def test_server_ends_well_on_sigint_with_a_call_open() -> None:
    async def interrupt_in_a_call(process: subprocess.Popen[str], url: str) -> None:
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/v1/realtime") as call:
            assert (await call.receive_json(timeout=DEADLINE))["type"] == "session.created"
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, DEADLINE) == 0

    with server() as (process, ready):
        asyncio.run(interrupt_in_a_call(process, address(ready)))


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("--host", "0.0.0.0"), "a key (access.keys, or VOICECHAT_KEYS), and TLS (--tls-cert and --tls-key)"),
        (("--host", "::", "--behind-proxy", "10.0.0.5"), "a key (access.keys, or VOICECHAT_KEYS)"),
    ],
)
def test_server_that_others_could_reach_wants_a_key_and_tls(arguments: tuple[str, ...], needed: str) -> None:
    result = voicechat("serve", "--port", "0", *arguments)
    assert (result.returncode, result.stdout) == (78, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"server.host: found '{arguments[1]}', where others reach it; needed: {needed}")


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (("--behind-proxy", "proxy"), {}, "serve: access.behind_proxy.0: found 'proxy'"),
        (("--tls-cert", "none.pem"), {}, "server.tls_key: is missing; a certificate and its key go together"),
        ((), {"VOICECHAT_KEYS": f"kitchen {SECRET}"}, "VOICECHAT_KEYS:1: found 2 words; expected: "),
        ((), {"VOICECHAT__ACCESS__KEYS": "none.txt"}, "access.keys: none.txt cannot be read: No such file"),
        ((), {"VOICECHAT__ACCESS__ORIGINS": "*"}, "VOICECHAT__ACCESS__ORIGINS: access.origins.0: found '*'; allowed: "),
    ],
)
def test_mistakes_of_access_are_told_in_a_line(arguments: tuple[str, ...], environ: dict[str, str], told: str) -> None:
    result = voicechat("serve", "--port", "0", *arguments, cwd=ROOT, **environ)
    assert (result.returncode, result.stdout) == (78, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(told) and SECRET not in line


def test_phone_on_the_network_is_served_over_tls_with_a_key(tmp_path: Path) -> None:
    """As the commands say: a certificate, a key, and a server on every address."""
    told = voicechat("cert", "kiosk.test", "--out", tmp_path)
    assert told.returncode == 0 and f"--tls-cert {tmp_path}/server.pem --tls-key {tmp_path}/server.key" in told.stdout
    made = voicechat("key", "phone")
    secret = made.stderr.split()[-1]
    assert made.stdout.startswith("phone talk sha256:") and secret not in made.stdout
    keys = tmp_path / "keys.txt"
    keys.write_text(made.stdout)
    keys.chmod(0o600)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))

    async def call(url: str) -> None:
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await client.ws_connect(f"{url}/v1/realtime", ssl=trusting)
            headers = {"Authorization": f"Bearer {secret}"}
            async with client.ws_connect(f"{url}/v1/realtime", ssl=trusting, headers=headers) as socket:
                assert (await socket.receive_json(timeout=DEADLINE))["type"] == "session.created"
        await asyncio.sleep(0.25)  # aiohttp's TLS connections close a moment after their session

    tls = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with server("--host", "0.0.0.0", *tls, VOICECHAT__ACCESS__KEYS=str(keys)) as (_, ready):
        url = re.search(r"https://127\.0\.0\.1:\d+", ready)
        assert url is not None
        asyncio.run(call(url.group()))
        ask, trust = ("models", "list", "--url", url.group()), {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        for environ, reason in (
            (trust, "This needs a key, in the header Authorization: Bearer."),
            ({**trust, "VOICECHAT_KEY": secret}, "This needs a key with the scope operate."),
            ({}, "its certificate is not trusted here"),
        ):
            told = voicechat(*ask, cwd=ROOT, **environ)
            assert told.returncode == 1 and told.stderr.startswith(f"{url.group()}: {reason}")


def test_terminal_shows_its_key(tmp_path: Path) -> None:
    question = tmp_path / "question.wav"
    assert voicechat("say", "what is your name", "-o", question).returncode == 0
    keys = f"kitchen talk {SECRET}; desk operate {SECRET[::-1]}"
    with server(VOICECHAT_KEYS=keys) as (_, ready):
        url = address(ready)
        refused = voicechat("talk", "--url", url, "--wav", question)
        assert refused.returncode == 1 and "it wants a key" in refused.stderr
        talked = voicechat("talk", "--url", url, "--wav", question, "--key", SECRET)
        assert (talked.returncode, talked.stderr) == (0, "")
        listed = voicechat("models", "list", "--url", url, "--json", VOICECHAT_KEY=SECRET[::-1])
        assert listed.returncode == 0 and listed.stdout.startswith("[")


def test_no_key_is_written_anywhere(tmp_path: Path) -> None:
    """Good keys, wrong ones and those for a short time, at every door and with all that the log has to say."""
    log, canary = tmp_path / "log", "canary-in-the-mine-7"

    async def knock(url: str) -> str:
        async with aiohttp.ClientSession() as client:

            async def ask(method: str, path: str, key: str) -> str:
                async with client.request(method, url + path, headers={"Authorization": f"Bearer {key}"}) as answer:
                    return await answer.text()

            ticket = str(json.loads(await ask("POST", "/v1/realtime/client_secrets", SECRET))["value"])
            told = [
                await ask(method, path, key)
                for key in (SECRET, canary, ticket, f"{canary}-{'x' * 3000}")
                for method, path in (("POST", "/v1/realtime/calls"), ("GET", "/admin/models"), ("GET", "/metrics"))
            ]
            protocols = ("realtime", f"openai-insecure-api-key.{ticket}")
            async with client.ws_connect(f"{url}/v1/realtime", protocols=protocols) as socket:
                told += [str(await socket.receive_json(timeout=DEADLINE)), str(socket.protocol)]
            assert not any(secret in text for text in told for secret in (SECRET, canary, ticket))
            return ticket

    keys = f"kitchen talk,metrics {SECRET}"
    with log.open("wb") as file, server(stderr=file, VOICECHAT_KEYS=keys, VOICECHAT__LOG__LEVEL="debug") as (
        process,
        ready,
    ):
        ticket = asyncio.run(knock(address(ready)))
        process.terminate()
        rest, _ = process.communicate(timeout=DEADLINE)
    written = ready + rest + log.read_text()
    assert "session started" in written
    assert not any(secret in written for secret in (SECRET, canary, ticket))


def test_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = voicechat("serve", "--port", str(port), VOICECHAT__LOG__LEVEL="error")
    assert result.returncode == 1
    assert result.stderr == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert result.stdout == ""


def test_say_and_transcribe_understand_each_other(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    said = voicechat("say", "How do you work?", "-o", path, "--voice", "en-gb", VOICECHAT__TTS__ENGINE="espeak")
    assert said.returncode == 0, said.stderr
    assert re.fullmatch(rf"{re.escape(str(path))}: \d\.\d s spoken by espeak\n", said.stdout)
    understood = voicechat("transcribe", path, VOICECHAT__ASR__ENGINE="pocketsphinx")
    text, confidence = understood.stdout.splitlines()
    assert text.lower() == "how do you work"
    assert 0.0 <= float(confidence.removeprefix("confidence ")) <= 1.0


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_transcribe_takes_any_rate(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "said.wav"
    said = voicechat("say", "How do you work?", "-o", path, "--voice", "en-gb", VOICECHAT__TTS__ENGINE="espeak")
    assert said.returncode == 0, said.stderr
    clip = read_wav(path)
    write_wav(path, rate, resample(clip.samples, clip.rate, rate))
    result = voicechat("transcribe", path, VOICECHAT__ASR__ENGINE="pocketsphinx")
    assert result.stdout.splitlines()[0].lower() == "how do you work"


def test_transcribe_tells_when_each_word_is_said(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    said = voicechat("say", "How do you work?", "-o", path, "--voice", "en-gb", VOICECHAT__TTS__ENGINE="espeak")
    assert said.returncode == 0, said.stderr
    model = whisper.build(tmp_path / "model", " How do you work?")
    result = voicechat("transcribe", path, "--words", VOICECHAT__ASR__WHISPER__MODEL=str(model))
    assert result.returncode == 0, result.stderr
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [word for _, _, word in lines] == ["How", "do", "you", "work?"]
    assert all(0.0 <= float(start) <= float(end) < 3.0 for start, end, _ in lines)
    assert result.stderr.splitlines()[-1].startswith("confidence ")


def test_transcribe_says_which_recogniser_times_words(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    write_wav(path, 16_000, np.full(16_000, 100, np.int16))
    result = voicechat("transcribe", path, "--words", VOICECHAT__ASR__ENGINE="pocketsphinx")
    assert result.returncode == 78
    assert result.stderr == "asr.engine: found 'pocketsphinx'; allowed where words are timed: whisperx\n"


def test_transcribe_says_why_a_file_cannot_be_used(tmp_path: Path) -> None:
    text, empty, wide = (tmp_path / name for name in ("text.wav", "empty.wav", "wide.wav"))
    text.write_text("no sound at all, but long enough to be read as a header of something")
    write_wav(empty, 16_000, np.zeros(0, np.int16))
    with wave.open(str(wide), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(96_000)
        file.writeframes(bytes(300))
    reasons = {
        tmp_path / "none.wav": "No such file or directory",
        text: "is not a WAV that can be used: ",
        empty: "holds no sound",
        wide: "1 channels of 24 bits at 96000 Hz; 1 or 2 channels at 8000-48000 Hz are understood",
    }
    for path, reason in reasons.items():
        result = voicechat("transcribe", path)
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{path}: ") and reason in line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("say", "hello", "-o", "x.wav", "--voice", "nobody"), "espeak has no voice 'nobody'; it has en-us, "),
        (("say", "hello", "-o", "none/x.wav"), "none/x.wav: cannot be written: No such file or directory"),
        (("say", " ... ", "-o", "x.wav"), "there is nothing to say in ' ... '"),
        (("demo", "--out", "none/x.wav"), "none/x.wav: cannot be written: No such file or directory"),
        (("demo", "--out", "/"), "/: cannot be written: Is a directory"),
        (
            ("serve", "--port", "0", "--host", "no.such.host.invalid", "--behind-proxy", "10.0.0.5"),
            "cannot listen on no.such.host.invalid:0: ",
        ),
    ],
)
def test_commands_tell_what_is_wrong_in_a_line(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    keys = f"kitchen talk {SECRET}"
    result = voicechat(*arguments, cwd=tmp_path, VOICECHAT__TTS__ENGINE="espeak", VOICECHAT_KEYS=keys)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert reason in line
    assert "Unknown error" not in line
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_tune_prints_a_row_for_each_setting_and_draws_them(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", 16_000, np.zeros(32_000, np.int16))
    (tmp_path / "call.labels.txt").write_text("0.5\t1.0\tspeech\n")
    found = voicechat(
        "tune", tmp_path / "call.wav", "--set", "turn.start=0.1,0.2", "--show",
        "--plot", tmp_path / "plot.svg", "--json", tmp_path / "found.json",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert re.search(r"^turn\.start=0\.1 +0 of 1 ", found.stdout, re.MULTILINE)
    assert "turn.start=0.2: utterances that had not ended when the recording did: 1." in found.stdout
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    assert '"utterances": 1' in (tmp_path / "found.json").read_text()


def test_tune_tells_bad_input_in_a_line_and_with_its_own_status(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", 16_000, np.zeros(1_600, np.int16))
    (tmp_path / "bad.txt").write_text("1\t2\tsinging\n")
    setting = voicechat("tune", tmp_path / "call.wav", "--set", "turn.silnce=1")
    assert (setting.returncode, setting.stderr) == (
        78, "--set: turn.silnce: no such setting; did you mean 'silence'?\n",
    )  # fmt: skip
    labels = voicechat("tune", tmp_path / "call.wav", "--labels", tmp_path / "bad.txt")
    assert labels.returncode == 1
    assert labels.stderr.startswith(f"{tmp_path / 'bad.txt'}: line 1: found 'singing'")
    assert labels.stderr.count("\n") == 1
