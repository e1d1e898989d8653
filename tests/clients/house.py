"""A server for the clients to call, and the programs beside it: each a process of its own, stopped with its block."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

ROOT: Final = Path(__file__).parents[2]
CLIENTS: Final = ROOT / ".venv-clients"
"""Made by `make clients`: a Python environment, with the packages for browsers under `npm`."""

QUESTION: Final = "Where can I see the dinosaurs?"
"""Understood whatever was said."""

KEY: Final = "sk-voicechat-clients"
"""What clients have to give; it lets them talk, and do nothing else."""

_WATCH: Final = "sk-voicechat-metrics"
_PAGES: Final = Path(__file__).with_name("pages")
_STOPPING: Final = 20.0


@dataclass(frozen=True, slots=True)
class House:
    """A running server at the base URL `url` that wants a key from everybody; `log` is the file it writes to."""

    url: str
    log: Path

    def sessions(self) -> int:
        """How many callers there are now."""
        found = self.measured("voicechat_sessions")
        assert found is not None, "the server does not say how many sessions it has"
        return int(found)

    def measured(self, series: str) -> float | None:
        """The value of a metric, named with its labels; None where there is none yet."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self._ask("/metrics", _WATCH), re.MULTILINE)
        return float(found.group(1)) if found else None

    def ticket(self) -> str:
        """A key for a browser, good for some minutes."""
        return str(json.loads(self._ask("/v1/realtime/client_secrets", KEY, b"{}"))["value"])

    def _ask(self, path: str, key: str, body: bytes | None = None) -> str:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with urlopen(Request(f"{self.url}{path}", body, headers), timeout=10) as response:
            return str(response.read().decode())

    def empty(self, patience: float = 10.0) -> bool:
        """Waits until nobody is there any more; False when somebody stays."""
        deadline = time.monotonic() + patience
        while self.sessions() > 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def told(self, since: int = 0) -> list[dict[str, object]]:
        """The lines of the log from byte `since` on."""
        return [json.loads(line) for line in self.log.read_bytes()[since:].splitlines() if line.startswith(b"{")]

    def written(self) -> int:
        """Bytes in the log so far."""
        return self.log.stat().st_size


@contextmanager
def process(
    command: list[str], announced: str, *, log: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Runs a program; gives what matched `announced` in the first line it printed."""
    own = {key: value for key, value in os.environ.items() if not key.upper().startswith("VOICECHAT_")}
    with (log or Path(os.devnull)).open("ab") as errors, subprocess.Popen(
        command, cwd=ROOT, env={**own, **(settings or {})}, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            found = re.search(announced, line)
            assert found, f"{command[1]} said {line!r} instead of where it is"
            yield found.group()
        finally:
            running.terminate()
            running.wait(timeout=_STOPPING)


@contextmanager
def chatting() -> Iterator[str]:
    """The base URL of a chat server; see `chat`."""
    with process([sys.executable, str(Path(__file__).with_name("chat.py"))], r"http://\S+") as url:
        yield url


@contextmanager
def open_house(
    folder: Path, chat: str, site: str, *, config: Path | None = None, **settings: str
) -> Iterator[House]:
    """A server whose agent is `chat` and whom pages of `site` may call; `settings` as VOICECHAT__ names them, more of
    them in the file `config`.

    Its log is in `folder`.
    """
    usual = {
        "ASR__ENGINE": "scripted",
        "ASR__SCRIPTED__TEXT": QUESTION,
        "TTS__ENGINE": "espeak",
        "AGENT__ENGINE": "openai",
        "AGENT__OPENAI__BASE_URL": chat,
        "ACCESS__ORIGINS": site,
        "LOG__FORMAT": "json",
    }
    chosen = {f"VOICECHAT__{key}": value for key, value in {**usual, **settings}.items()}
    keys = {"VOICECHAT_KEYS": f"clients talk {KEY};watch metrics {_WATCH}"}
    log = folder / "server.log"
    command = [sys.executable, "-m", "voicechat", "serve", "--port", "0"]
    command += ["--config", str(config)] if config is not None else []
    with process(command, r"https?://[^\s)]+", log=log, settings={**chosen, **keys}) as url:
        yield House(url.rstrip("/"), log)


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The URL of a folder's files, served from an origin of their own."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with process(command, r"port \d+") as port:
        yield f"http://127.0.0.1:{port.split()[1]}"


def lay_out(folder: Path) -> None:
    """Copies into `folder` what browsers load: the files of `pages`, and the packages.

    A browser loads OpenAI's package as it comes. Others are bundled: what `pages/NAME.entry.mjs` imports is NAME.mjs.
    """
    npm = CLIENTS / "npm" / "node_modules"
    shutil.copytree(_PAGES, folder, dirs_exist_ok=True)
    agents = npm / "@openai" / "agents-realtime" / "dist" / "bundle"
    shutil.copytree(agents, folder / "agents", ignore=shutil.ignore_patterns("*.umd.js"))
    for entry in _PAGES.glob("*.entry.mjs"):
        made = folder / entry.name.replace(".entry", "")
        command = [str(npm / ".bin" / "esbuild"), str(entry), "--bundle", "--format=esm", f"--outfile={made}"]
        subprocess.run([*command, "--log-level=error"], env={**os.environ, "NODE_PATH": str(npm)}, check=True)
