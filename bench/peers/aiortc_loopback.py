"""aiortc as it comes: decodes what comes in and encodes it back. The server under every other one."""

import asyncio
import sys

import uvloop
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription


class Echo(MediaStreamTrack):
    kind = "audio"

    def __init__(self, source):
        super().__init__()
        self._source = source

    async def recv(self):
        return await self._source.recv()


async def main():
    connections = set()

    async def offer(request):
        connection = RTCPeerConnection()
        connections.add(connection)
        connection.on("track", lambda track: connection.addTrack(Echo(track)))

        async def change():
            if connection.connectionState in ("failed", "closed"):
                connections.discard(connection)
                await connection.close()

        connection.on("connectionstatechange", change)
        await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return web.Response(text=connection.localDescription.sdp, content_type="application/sdp")

    site = web.Application()
    site.router.add_post("/offer", offer)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"ready at http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


uvloop.run(main())
