"""Calls that are asked for by a form: one that is none is refused, however it is broken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from voicechat.config import Settings
from voicechat.protocols import Peer
from voicechat.transport import http


class Nobody:
    """A reception that no caller reaches."""

    @contextmanager
    def admit(self) -> Iterator[str]:
        raise AssertionError("nobody is admitted here")
        yield ""

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        raise AssertionError("nobody is served here")


@pytest.mark.parametrize(
    "part",
    [
        b'Content-Disposition: form-data; name="sdp"\r\nContent-Type: text/plain; charset=klingon\r\n\r\nv=0',
        b'Content-Disposition: form-data; name="sdp"\r\nContent-Transfer-Encoding: rot13\r\n\r\nv=0',
        b'Content-Disposition: form-data; name="sdp"\r\nContent-Transfer-Encoding: base64\r\n\r\n====',
        b'Content-Disposition: form-data; name="a\x00b"\r\n\r\nv=0',
        b'Content-Disposition form-data\r\n\r\nv=0',
        b"Content-Disposition: form-data\r\n\r\nv=0",
        b'Content-Disposition: form-data; name="sdp"\r\n\r\n\xff\xfe',
        b"",
    ],
)
@pytest.mark.parametrize("path", ["/v1/realtime/calls", "/v1/realtime"])
async def test_broken_form_is_refused(path: str, part: bytes) -> None:
    runner = web.AppRunner(http.build(Settings(), Nobody(), registry=CollectorRegistry()), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        body = b"--b\r\n" + part + b"\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        async with ClientSession() as client, client.post(url, data=body, headers=headers) as answer:
            error = json.loads(await answer.text())["error"]
    finally:
        await runner.cleanup()
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
