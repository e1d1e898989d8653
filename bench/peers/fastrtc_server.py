"""FastRTC's ReplyOnPause with mock engines. Runs in its own environment.

`--silero FILE` is the detector's model; FastRTC would download an older one. `--chunk` is its sound chunk in seconds:
it listens in chunks, so it answers after one to two of them.
"""

import argparse
import asyncio
import socket
import sys
import uuid

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response
from fastrtc import AlgoOptions, ReplyOnPause, Stream
from fastrtc.stream import Body
from mocks import RECOGNITION, SENTENCE, SENTENCES, TOKEN, VOICE, tone

RATE = 24000
WINDOW = 512


class Silero:
    """FastRTC's PauseDetectionModel: seconds of speech in a chunk."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def vad(self, audio, options):
        rate, samples = audio
        sound = np.squeeze(samples)[:: rate // 16000].astype(np.float32) / 32768
        state = [np.zeros((1, 1, 128), np.float32)] * 2
        context, voiced = np.zeros(64, np.float32), 0
        for start in range(0, len(sound) - WINDOW + 1, WINDOW):
            window = np.concatenate((context, sound[start : start + WINDOW]))
            chance, *state = self._session.run(None, {"input": window[None], "h": state[0], "c": state[1]})
            context = window[-64:]
            voiced += float(np.ravel(chance)[0]) >= 0.5
        return voiced * WINDOW / 16000, []

    def warmup(self):
        self.vad((16000, np.zeros(16000, np.int16)), None)


async def reply(audio):
    await asyncio.sleep(RECOGNITION)
    for _ in range(SENTENCES):
        await asyncio.sleep(len(SENTENCE) * TOKEN)
        await asyncio.sleep(VOICE)
        sound = np.frombuffer(tone(" ".join(SENTENCE), RATE), np.int16)
        for piece in np.split(sound, range(RATE // 50, len(sound), RATE // 50)):
            yield RATE, piece[None, :]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--silero", required=True)
    arguments.add_argument("--chunk", type=float, default=0.6)
    chosen = arguments.parse_args()
    algorithm = AlgoOptions(audio_chunk_duration=chosen.chunk)
    if chosen.chunk < 0.6:  # its thresholds are seconds of speech in a chunk: in proportion
        algorithm.started_talking_threshold *= chosen.chunk / 0.6
        algorithm.speech_threshold *= chosen.chunk / 0.6
    handler = ReplyOnPause(reply, algo_options=algorithm, model=Silero(chosen.silero), output_sample_rate=RATE)
    stream = Stream(handler, modality="audio", mode="send-receive", concurrency_limit=1000)
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

    asyncio.run(run())


main()
