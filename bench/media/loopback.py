"""A server that says back what it hears, through the whole of voicechat's media path and nothing else of it.

`python -m bench.media.loopback` prints its URL when it is ready and serves until it is ended.
"""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from bench.media.clips import RATE
from voicechat import config
from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.protocols import Peer, SpeechChunk
from voicechat.transport import http

TIMES: Final = RATE // LISTEN_RATE
"""Each sample is said so often: crude, but it holds nothing back, as a resampler would."""


class Mirror:
    """A reception whose sessions play what comes in; see `protocols.Reception`."""

    @contextmanager
    def admit(self) -> Iterator[str]:
        yield f"sess_{secrets.token_hex(8)}"

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        async for entry in peer.incoming():
            if isinstance(entry, AudioFrame):
                await peer.play(SpeechChunk(AudioFrame(np.repeat(entry.samples, TIMES), RATE), 1))


async def main() -> None:
    site = http.build(config.load(), Mirror(), registry=CollectorRegistry())
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"ready at http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
