"""FastRTC's ReplyOnPause with mock engines and its defaults. Runs in its own environment.

`--silero FILE` is the detector's model, of a newer version: FastRTC would download its own. It listens in chunks of
0.6 s and answers after the first that has no speech from its beginning to 0.35 s: for what is shorter than 0.25 s does
not count, and what is longer counts to the chunk's end. So it waits for 0.6 to 1.2 s of quiet, 0.9 on average.
"""

import argparse
import asyncio
import socket
import sys
import uuid

import numpy as np
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from fastrtc import ReplyOnPause, Stream
from fastrtc.pause_detection.silero import SileroVADModel, SileroVadOptions
from fastrtc.stream import Body
from mocks import RECOGNITION, SENTENCE, SENTENCES, TOKEN, VOICE, tone

RATE = 24000
PIECE = RATE // 2
WINDOW = 512
"""The newer model's; the rule of what counts as speech stays FastRTC's."""


class Silero(SileroVADModel):
    path = ""

    @staticmethod
    def download_model():
        return Silero.path

    def get_initial_state(self, batch_size):
        zeros = np.zeros((1, batch_size, 128), np.float32)
        return zeros, zeros, np.zeros((batch_size, 64), np.float32)

    def __call__(self, x, state, sr):
        hidden, cell, context = state
        window = np.concatenate((context, np.atleast_2d(x)), axis=1, dtype=np.float32)
        chance, hidden, cell = self.session.run(None, {"input": window, "h": hidden, "c": cell})
        return float(np.ravel(chance)[0]), (hidden, cell, window[:, -64:])


async def reply(audio):
    await asyncio.sleep(RECOGNITION)
    for _ in range(SENTENCES):
        await asyncio.sleep(len(SENTENCE) * TOKEN)
        await asyncio.sleep(VOICE)
        sound = np.frombuffer(tone(" ".join(SENTENCE), RATE), np.int16)
        for piece in np.split(sound, range(PIECE, len(sound), PIECE)):
            yield RATE, piece[None, :]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--silero", required=True)
    Silero.path = arguments.parse_args().silero
    model = Silero()
    model.warmup()
    options = SileroVadOptions(window_size_samples=WINDOW)
    handler = ReplyOnPause(reply, model=model, model_options=options, output_sample_rate=RATE)
    stream = Stream(handler, modality="audio", mode="send-receive", concurrency_limit=1000)  # None means 1
    app = FastAPI()
    stream.mount(app)

    @app.post("/offer")
    async def offer(request: Request):
        body = Body(sdp=(await request.body()).decode(), type="offer", webrtc_id=uuid.uuid4().hex)
        answer = await stream.offer(body)
        if not isinstance(answer, dict):
            return Response("no room", status_code=503)
        return Response(answer["sdp"], media_type="application/sdp")

    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))

    async def run():
        serving = asyncio.create_task(server.serve(sockets=[door]))
        while not server.started:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.05)
        sys.stdout.write(f"ready at http://127.0.0.1:{door.getsockname()[1]}\n")
        sys.stdout.flush()
        await serving

    uvloop.run(run())


main()
