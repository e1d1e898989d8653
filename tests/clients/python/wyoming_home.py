"""The package `wyoming`, as Home Assistant uses it: `wyoming_home.py PORT WAV SCENE`, where the scene is turn,
interrupt or tool. For each step it connects anew."""

import asyncio
import sys
import wave

from facts import tell
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, NotHandled
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

QUESTION = "Where can I see the dinosaurs?"
THANKS = "Thank you."
CONVERSATION = {"conversation_id": "01JD3XQ6ZV"}
LONG = "This sentence is one of very many that nobody will hear to the end. " * 200
LONGEST = 60.0


class Home:
    def __init__(self, port: int) -> None:
        self._port = port

    def connect(self) -> AsyncTcpClient:
        return AsyncTcpClient("127.0.0.1", self._port, connect_timeout=5, read_timeout=20)

    async def look(self) -> Info:
        async with self.connect() as client:
            await client.write_event(Ping("hello").event())
            pong = Pong.from_event(await read(client))
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client))
        voices = [voice.name for program in info.tts for voice in program.voices if voice.installed]
        models = [model.name for program in info.asr for model in program.models if model.installed]
        agents = [program.name for program in info.handle if program.installed]
        tell("connected", pong=pong.text, models=models, voices=voices, agents=agents)
        return info

    async def hear(self, path: str, language: str) -> str:
        """What is said in a WAV."""
        async with self.connect() as client:
            await client.write_event(Transcribe(language=language).event())
            with wave.open(path) as sound:
                for part in wav_to_chunks(sound, 1024, start_event=True, stop_event=True):
                    await client.write_event(part.event())
            parts = ""
            while not Transcript.is_type((event := await read(client)).type):
                if TranscriptChunk.is_type(event.type):
                    parts += TranscriptChunk.from_event(event).text
            text = Transcript.from_event(event).text
        tell("said", role="user", text=text, parts=parts)
        return text

    async def ask(self, question: str) -> str:
        async with self.connect() as client:
            await client.write_event(Transcript(question, context=CONVERSATION, language="en").event())
            parts = ""
            while not Handled.is_type((event := await read(client)).type):
                if NotHandled.is_type(event.type):
                    tell("error", text=NotHandled.from_event(event).text)
                    return ""
                if HandledChunk.is_type(event.type):
                    parts += HandledChunk.from_event(event).text
            handled = Handled.from_event(event)
        tell("said", role="assistant", text=handled.text, parts=parts, context=handled.context)
        return handled.text or ""

    async def speak(self, text: str, voice: SynthesizeVoice) -> None:
        """At once, and in pieces."""
        async with self.connect() as client:
            await client.write_event(Synthesize(text, voice=voice).event())
            tell("sound", streamed=False, seconds=await listen(client, AudioStop))
        async with self.connect() as client:
            await client.write_event(SynthesizeStart(voice=voice).event())
            for word in text.split():
                await client.write_event(SynthesizeChunk(f"{word} ").event())
            await client.write_event(Synthesize(text, voice=voice).event())
            await client.write_event(SynthesizeStop().event())
            tell("sound", streamed=True, seconds=await listen(client, SynthesizeStopped))

    async def break_off(self) -> None:
        """Leaves in the middle of a long speech."""
        async with self.connect() as client:
            await client.write_event(Synthesize(LONG).event())
            while not AudioChunk.is_type((event := await read(client)).type):
                pass
            tell("cut", seconds=AudioChunk.from_event(event).seconds)


async def read(client: AsyncTcpClient) -> Event:
    event = await client.read_event()
    if event is None:
        raise ConnectionError("the server has closed the connection")
    if event.type == "error":
        tell("error", **event.data)
    return event


async def listen(client: AsyncTcpClient, last: type[AudioStop] | type[SynthesizeStopped]) -> float:
    """Seconds of sound, up to the event that is the last."""
    assert AudioStart.is_type((await read(client)).type)
    seconds = 0.0
    while not last.is_type((event := await read(client)).type):
        if AudioChunk.is_type(event.type):
            seconds += AudioChunk.from_event(event).seconds
    return seconds


async def main() -> None:
    home, speech, scene = Home(int(sys.argv[1])), sys.argv[2], sys.argv[3]
    async with asyncio.timeout(LONGEST):
        info = await home.look()
        if scene == "turn":
            question = await home.hear(speech, info.asr[0].models[0].languages[0])
            answer = await home.ask(question)
            await home.speak(answer, SynthesizeVoice(name=info.tts[0].voices[0].name))
            await home.ask(THANKS)
        elif scene == "interrupt":
            await home.break_off()
            await home.ask(THANKS)
        else:
            await home.ask(QUESTION)
    tell("closed")


asyncio.run(main())
