"""Streaming speech-to-text of three packages, by sessions that only transcribe; the scene is the package's name."""

import asyncio
import sys

import numpy as np
from facts import tell
from microphone import RATE, Microphone
from scene import LONGEST, Scene, scene

MODEL = "gpt-4o-transcribe"


async def openai_agents(asked: Scene, microphone: Microphone) -> None:
    from agents import set_tracing_disabled
    from agents.voice import StreamedAudioInput, STTModelSettings
    from agents.voice.models.openai_stt import OpenAISTTModel
    from openai import AsyncOpenAI

    async def listen() -> None:
        async for piece in microphone.pieces():
            await heard.add_audio(np.frombuffer(piece, np.int16))

    set_tracing_disabled(True)
    heard = StreamedAudioInput()
    model = OpenAISTTModel(MODEL, AsyncOpenAI(api_key=asked.key, base_url=f"{asked.url}/v1"))
    session = await model.create_session(heard, STTModelSettings(), False, False)
    listening = asyncio.create_task(listen())
    async for turn in session.transcribe_turns():
        tell("said", text=turn)
        break
    listening.cancel()
    await session.close()


async def livekit(asked: Scene, microphone: Microphone) -> None:
    from livekit import rtc
    from livekit.agents import stt, utils
    from livekit.plugins import openai

    async def listen() -> None:
        async for piece in microphone.pieces():
            stream.push_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))

    async with utils.http_context.open():
        engine = openai.STT(api_key=asked.key, base_url=f"{asked.url}/v1", use_realtime=True, model=MODEL)
        stream = engine.stream()
        listening = asyncio.create_task(listen())
        async for event in stream:
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                tell("said", text=event.alternatives[0].text)
                break
        listening.cancel()
        await stream.aclose()
        await engine.aclose()


async def pipecat(asked: Scene, microphone: Microphone) -> None:
    from loguru import logger
    from pipecat.frames import frames
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
    from pipecat.services.openai.stt import OpenAIRealtimeSTTService
    from pipecat.workers.runner import WorkerRunner

    class Reader(FrameProcessor):
        """The end of the pipeline."""

        async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, frames.ErrorFrame):
                tell("error", message=frame.error)
            if isinstance(frame, frames.TranscriptionFrame) and not over.is_set():
                tell("said", text=frame.text)
                over.set()
            await self.push_frame(frame, direction)

    async def listen(worker: PipelineWorker) -> None:
        async for piece in microphone.pieces():
            if over.is_set():
                break
            await worker.queue_frame(frames.InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))
        await worker.end()

    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    over = asyncio.Event()
    settings = OpenAIRealtimeSTTService.Settings(model=MODEL)
    service = OpenAIRealtimeSTTService(
        api_key=asked.key, base_url=f"{asked.socket}/v1/realtime", settings=settings, turn_detection=None
    )
    worker = PipelineWorker(Pipeline([service, Reader()]), params=PipelineParams(audio_in_sample_rate=RATE))
    runner = WorkerRunner(handle_sigint=False)
    async with asyncio.TaskGroup() as group:
        await runner.add_workers(worker)
        group.create_task(runner.run())
        group.create_task(listen(worker))


async def main() -> None:
    asked = scene()
    microphone = Microphone(asked.speech)
    microphone.speak()
    listener = {"openai-agents": openai_agents, "livekit": livekit, "pipecat": pipecat}[asked.name]
    async with asyncio.timeout(LONGEST):
        await listener(asked, microphone)
    tell("closed")


asyncio.run(main())
