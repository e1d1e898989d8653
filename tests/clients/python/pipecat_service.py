"""Pipecat's service for OpenAI's realtime protocol, in the pipeline its documentation shows, without a transport."""

import asyncio
import sys
from typing import Any

from facts import tell
from loguru import logger
from microphone import RATE, Microphone
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames import frames
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from scene import BEFORE_CUT, HOURS, LONGEST, MODEL, PARAMETERS, Scene, scene


class Ear(FrameProcessor):
    """The beginning of the pipeline: what the microphone hears goes down it."""

    def __init__(self, microphone: Microphone) -> None:
        super().__init__()
        self._microphone = microphone
        self._listening: asyncio.Task[None] | None = None

    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, frames.ErrorFrame):
            tell("error", message=frame.error)
        await self.push_frame(frame, direction)
        if isinstance(frame, frames.StartFrame):
            self._listening = self.create_task(self._listen())

    async def cleanup(self) -> None:
        await super().cleanup()
        if self._listening:
            await self.cancel_task(self._listening)

    async def _listen(self) -> None:
        async for piece in self._microphone.pieces():
            await self.push_frame(frames.InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))


class Loudspeaker(FrameProcessor):
    """Plays nothing; `seconds` of the answer came so far, and `begun` is set while one is being played.

    Like the transports of the package it says when the bot has stopped speaking. Here that is when the answer is
    done, since the server sends in real time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.seconds = 0.0

    async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, frames.TTSAudioRawFrame):
            self.seconds += len(frame.audio) / 2 / RATE
            self.begun.set()
        elif isinstance(frame, frames.TTSStoppedFrame):
            self.begun.clear()
            await self.push_frame(frames.BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
        await self.push_frame(frame, direction)


async def opening_hours(parameters: FunctionCallParams) -> None:
    tell("tool", name="opening_hours", arguments=dict(parameters.arguments))
    await parameters.result_callback(HOURS)


class Talk:
    """The scene as it is played; `over` is set at its end.

    The bot speaks first, as in the package's examples, and is answered by the question.
    """

    def __init__(self, asked: Scene, llm: OpenAIRealtimeLLMService, loudspeaker: Loudspeaker) -> None:
        self.over, self.greeted, self.interrupted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._scene, self._llm, self._loudspeaker = asked, llm, loudspeaker
        self._answer = ""
        llm.add_event_handler("on_conversation_item_created", self._added)

    async def _added(self, _: object, item: str, content: Any) -> None:
        if content.role == "assistant":
            self._answer = item

    async def hear_user(self, _: object, message: Any) -> None:
        tell("said", role="user", text=message.content)

    async def hear_assistant(self, _: object, message: Any) -> None:
        if not self.greeted.is_set():
            tell("connected")
            self.greeted.set()
        elif self._scene.interrupts:
            self.interrupted.set()
        else:
            tell("said", role="assistant", text=message.content)
            tell("sound", seconds=self._loudspeaker.seconds)
            self.over.set()

    async def act(self, worker: PipelineWorker, microphone: Microphone) -> None:
        await worker.queue_frame(frames.LLMRunFrame())
        await self.greeted.wait()
        self._loudspeaker.begun.clear()
        self._loudspeaker.seconds = 0.0
        microphone.speak()
        if self._scene.interrupts:
            await self._loudspeaker.begun.wait()
            await asyncio.sleep(BEFORE_CUT)
            answer = self._answer
            microphone.speak()
            await self.interrupted.wait()
            item = await self._llm.retrieve_conversation_item(answer)
            tell("cut", text=item.content[0].transcript)
        else:
            await self.over.wait()
        await worker.end()


def context(asked: Scene) -> LLMContext:
    tool = FunctionSchema("opening_hours", "When a hall is open.", PARAMETERS["properties"], PARAMETERS["required"])
    tools = ToolsSchema(standard_tools=[tool] if asked.calls else [])
    return LLMContext([{"role": "user", "content": "Hello."}], tools=tools)


def service(asked: Scene) -> OpenAIRealtimeLLMService:
    session = events.SessionProperties(
        instructions=asked.instructions,
        audio=events.AudioConfiguration(
            input=events.AudioInput(transcription=events.InputAudioTranscription()),
            output=events.AudioOutput(voice="marin"),
        ),
    )
    settings = OpenAIRealtimeLLMService.Settings(model=MODEL, session_properties=session)
    made = OpenAIRealtimeLLMService(api_key=asked.key, base_url=f"{asked.socket}/v1/realtime", settings=settings)
    made.register_function("opening_hours", opening_hours)
    return made


async def main() -> None:
    asked = scene()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    microphone, loudspeaker, llm = Microphone(asked.speech), Loudspeaker(), service(asked)
    talk = Talk(asked, llm, loudspeaker)
    pair = LLMContextAggregatorPair(context(asked))
    pair.user().add_event_handler("on_user_turn_message_added", talk.hear_user)
    pair.assistant().add_event_handler("on_assistant_turn_stopped", talk.hear_assistant)
    pipeline = Pipeline([Ear(microphone), pair.user(), llm, loudspeaker, pair.assistant()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE))
    runner = WorkerRunner(handle_sigint=False)
    async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
        await runner.add_workers(worker)
        group.create_task(runner.run())
        group.create_task(talk.act(worker, microphone))
    tell("closed")


asyncio.run(main())
