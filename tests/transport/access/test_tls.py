"""TLS: what is refused before the server starts, and what stock clients then see."""

import asyncio
import datetime
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from voicechat.config import ServerSettings, Settings
from voicechat.errors import ConfigError
from voicechat.terminal import certificate
from voicechat.transport.access import tls


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificate.Made:
    return certificate.make(tmp_path_factory.mktemp("tls"), ["kiosk.local"])


def settings(cert: Path | None, key: Path | None) -> Settings:
    return Settings(server=ServerSettings(tls_cert=cert, tls_key=key))


@asynccontextmanager
async def served(made: certificate.Made) -> AsyncIterator[int]:
    """A port that speaks TLS."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="secure" if request.secure else "plain")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        secure = tls.context(settings(made.certificate, made.key))
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def test_without_a_certificate_the_port_speaks_plainly() -> None:
    assert tls.context(Settings()) is None


async def test_who_trusts_the_authority_trusts_the_server(made: certificate.Made) -> None:
    trusting = ssl.create_default_context(cafile=str(made.authority))
    async with served(made) as port, ClientSession() as client:
        for name in ("127.0.0.1", "localhost"):
            async with client.get(f"https://{name}:{port}/", ssl=trusting) as answer:
                assert await answer.text() == "secure"
        with pytest.raises(OSError, match="certificate verify failed"):
            await client.get(f"https://127.0.0.1:{port}/")
        await asyncio.sleep(0.1)  # its socket closes after the refusal


@pytest.mark.parametrize(
    ("options", "agreed"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], False),
        (["-verify_hostname", "kiosk.local"], True),
        (["-verify_hostname", "evil.example"], False),
    ],
)
async def test_openssl_agrees_on_new_protocols_and_right_names_only(
    made: certificate.Made, options: list[str], agreed: bool
) -> None:
    async with served(made) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(made.authority)]
        process = await asyncio.create_subprocess_exec(
            *command, "-verify_return_error", *options,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (b"Verify return code: 0 (ok)" in told and process.returncode == 0) == agreed, told.decode()


@pytest.mark.parametrize("without", ["tls_cert", "tls_key"])
def test_certificate_and_key_go_together(made: certificate.Made, without: str) -> None:
    given = settings(
        None if without == "tls_cert" else made.certificate, None if without == "tls_key" else made.key
    )
    with pytest.raises(ConfigError, match=rf"^server\.{without}: is missing"):
        tls.context(given)


def test_bad_files_are_told_in_a_line(made: certificate.Made, tmp_path: Path) -> None:
    junk, locked, other = tmp_path / "junk.pem", tmp_path / "locked.key", certificate.make(tmp_path / "other", [])
    junk.write_text("no certificate")
    junk.chmod(0o600)
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", str(made.key), "-out", str(locked), "-passout", "pass:secret"], check=True
    )
    locked.chmod(0o600)
    public = tmp_path / "public.key"
    public.write_bytes(made.key.read_bytes())
    public.chmod(0o644)
    for cert, key, told in (
        (tmp_path / "none", made.key, "server.tls_cert: {cert} cannot be read: No such file or directory"),
        (made.certificate, tmp_path / "none", "server.tls_key: {key} cannot be read: No such file or directory"),
        (junk, made.key, "server.tls_cert: {cert} is no certificate in PEM"),
        (made.certificate, junk, "server.tls_key: {key} is no key of {cert}: "),
        (made.certificate, other.key, "server.tls_key: {key} is no key of {cert}: "),
        (made.certificate, locked, "server.tls_key: {key} is no key of {cert}: it has a password"),
        (made.certificate, public, "server.tls_key: {key} has mode 0644, so everybody may read it; do: chmod 600 "),
    ):
        with pytest.raises(ConfigError) as refused:
            tls.context(settings(cert, key))
        (line,) = str(refused.value).splitlines()
        assert line.startswith(told.format(cert=cert, key=key))


def test_certificate_that_is_not_good_today_is_refused(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for name, when, reason in (("old", -398, "expired on"), ("young", 5, "begins on")):
        made = certificate.make(tmp_path / name, [], now + datetime.timedelta(days=when))
        with pytest.raises(ConfigError, match=f"server.tls_cert: .* {reason} "):
            tls.context(settings(made.certificate, made.key))


def test_password_of_a_key_is_never_asked_for(made: certificate.Made, tmp_path: Path) -> None:
    """A server that starts by itself would wait for ever."""
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", str(made.key), "-out", str(locked), "-passout", "pass:secret"], check=True
    )
    locked.chmod(0o600)
    command = [sys.executable, "-m", "voicechat", "serve", "--port", "0"]
    result = subprocess.run(
        [*command, "--tls-cert", str(made.certificate), "--tls-key", str(locked)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=40,
    )  # fmt: skip
    assert result.returncode == 78
    assert len(result.stderr.splitlines()) == 1 and "it has a password" in result.stderr
