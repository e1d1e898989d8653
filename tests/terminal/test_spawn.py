"""A server for those who measure or show one."""

from pathlib import Path

import pytest

from voicechat.terminal import spawn
from voicechat.terminal.caller import Caller


async def test_own_server_wants_no_key_whatever_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(
        "access: {keys: keys.txt}\nserver: {tls_cert: server.pem, tls_key: server.key}\n"
        "asr: {engine: scripted}\nagent: {engine: echo}\ntts: {engine: tone}\n"
    )
    monkeypatch.setenv("VOICECHAT_KEYS", "kitchen talk a-key-of-20-letters")
    async with spawn.server(config) as (url, _), Caller(url) as caller:
        assert url.startswith("http://127.0.0.1:")
        await caller.wait_for("session.created", timeout=10)
