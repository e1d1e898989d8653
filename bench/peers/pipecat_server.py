"""pipecat with mock engines, its SmallWebRTC transport and its Silero detector. Runs in its own environment.

Its quick variant, with a speech timeout of 0 after the detector's 0.2 s; `--smart-turn` keeps its default, a model that
judges whether the utterance is finished. What is only for others to watch, RTVI and the tracking of turns, is off.
"""

import asyncio
import sys
import time

import uvloop
from aiohttp import web
from loguru import logger
from mocks import HEARD, RECOGNITION, TOKEN, VOICE, tokens, tone
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies


class Recogniser(SegmentedSTTService):
    def __init__(self):
        super().__init__(ttfs_p99_latency=0.0, settings=STTSettings(model=None, language=None))

    async def run_stt(self, audio):
        await asyncio.sleep(RECOGNITION)
        yield TranscriptionFrame(HEARD, "", time.strftime("%FT%TZ", time.gmtime()))


class Agent(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        loop = asyncio.get_running_loop()
        due = loop.time()
        for token in tokens():
            due += TOKEN
            await asyncio.sleep(due - loop.time())
            await self.push_frame(LLMTextFrame(token))
        await self.push_frame(LLMFullResponseEndFrame())


class Voice(TTSService):
    def __init__(self):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=24000,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    async def run_tts(self, text, context_id):
        await asyncio.sleep(VOICE)
        sound = tone(text, self.sample_rate)
        for start in range(0, len(sound), self.chunk_size):  # 0.5 s, as it advises
            yield TTSAudioRawFrame(sound[start : start + self.chunk_size], self.sample_rate, 1, context_id=context_id)


async def converse(connection, smart_turn):
    transport = SmallWebRTCTransport(
        webrtc_connection=connection, params=TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    )
    strategies = None if smart_turn else UserTurnStrategies(
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]
    )
    pair = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=strategies),
    )
    pipeline = Pipeline(
        [transport.input(), Recogniser(), pair.user(), Agent(), Voice(), transport.output(), pair.assistant()]
    )
    task = PipelineTask(
        pipeline,
        params=PipelineParams(),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )

    @transport.event_handler("on_client_disconnected")
    async def leave(transport, client):
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


async def main():
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    smart_turn = "--smart-turn" in sys.argv
    tasks = set()

    async def offer(request):
        connection = SmallWebRTCConnection()
        await connection.initialize(sdp=await request.text(), type="offer")
        task = asyncio.create_task(converse(connection, smart_turn))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return web.Response(text=connection.get_answer()["sdp"], content_type="application/sdp")

    site = web.Application()
    site.router.add_post("/offer", offer)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"ready at http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


uvloop.run(main())
