"""The port itself: real connections on loopback, to a studio and a reception that are scripted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Self

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.fakes_reception import ScriptedReception
from tests.fakes_studio import RATE, WORD_SECONDS, ScriptedStudio
from voicechat.config import NameSettings, Settings, WyomingSettings
from voicechat.errors import VoicechatError
from voicechat.house import House
from voicechat.protocols import Outcome, Reception, Studio
from voicechat.protocols.studio import Kind
from voicechat.transport import wyoming
from voicechat.transport.wyoming import connection
from voicechat.transport.wyoming.events import LINE_BYTES, Event, encode, header

PATIENCE = 10.0
SOUND = {"rate": 16_000, "width": 2, "channels": 1}


class Program:
    """Somebody who speaks Wyoming."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def say(self, type: str, data: Mapping[str, object] | None = None, payload: bytes = b"") -> None:
        await self.write(encode(Event(type, data or {}, payload)))

    async def write(self, written: bytes) -> None:
        self._writer.write(written)
        await self._writer.drain()

    async def read(self) -> Event | None:
        """None when there is no more."""
        async with asyncio.timeout(PATIENCE):
            try:
                about = header(await self._reader.readuntil())
                data = await self._reader.readexactly(about.data_length)
                return about.event(data, await self._reader.readexactly(about.payload_length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def until(self, type: str) -> list[Event]:
        """All that comes, up to the first event of that type."""
        events = []
        while (event := await self.read()) is not None:
            events.append(event)
            if event.type == type:
                return events
        raise AssertionError(f"no {type} after {[event.type for event in events]}")


@asynccontextmanager
async def serving(
    studio: Studio | None = None, reception: Reception | None = None, names: NameSettings | None = None
) -> AsyncIterator[int]:
    settings = Settings(wyoming=WyomingSettings(port=0), names=names or NameSettings())
    with capture_logs() as logs:
        async with wyoming.serving(settings, reception or ScriptedReception(), studio or ScriptedStudio()):
            (port,) = (line["port"] for line in logs if line["event"] == "wyoming listens")
            yield port


@asynccontextmanager
async def connected(
    studio: Studio | None = None, reception: Reception | None = None, names: NameSettings | None = None
) -> AsyncIterator[Program]:
    async with serving(studio, reception, names) as port, await connect(port) as program:
        yield program


async def connect(port: int) -> Program:
    return Program(*await asyncio.open_connection("127.0.0.1", port))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - what we wait for is another part's state
            await asyncio.sleep(0.01)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def seconds(events: list[Event]) -> float:
    return sum(len(event.payload) for event in events if event.type == "audio-chunk") / 2 / RATE


async def test_house_describes_itself() -> None:
    async with connected() as program:
        await program.say("describe")
        (told,) = await program.until("info")
    ears, voices, agents = (told.data[key] for key in ("asr", "tts", "handle"))
    assert isinstance(ears, list) and isinstance(voices, list) and isinstance(agents, list)
    assert [(model["name"], model["languages"]) for model in ears[0]["models"]] == [("ears", ["en"])]
    assert [(voice["name"], voice["languages"], voice["installed"]) for voice in voices[0]["voices"]] == [
        ("one", ["en-GB"], True), ("large", ["en"], False),
    ]  # fmt: skip
    for artifact in (*ears, *voices, *agents, *ears[0]["models"], *voices[0]["voices"], *agents[0]["models"]):
        assert artifact.keys() >= {"name", "attribution", "installed", "description", "version"}


async def test_ping_is_answered_and_unknown_events_are_dropped() -> None:
    async with connected() as program:
        await program.say("detect", {"names": ["computer"]})
        await program.say("audio-chunk", SOUND, bytes(640))
        await program.say("audio-stop")
        await program.say("synthesize-chunk", {"text": "never begun"})
        await program.say("synthesize-stop")
        await program.say("ping", {"text": "hello"})
        assert await program.until("pong") == [Event("pong", {"text": "hello"})]


async def test_recording_is_understood_in_parts_and_in_whole() -> None:
    studio = ScriptedStudio()
    async with connected(studio, names=NameSettings(models={"best": "ears"})) as program:
        await program.say("transcribe", {"language": "en-GB", "name": "best"})
        await program.say("audio-start", SOUND)
        for _ in range(5):
            await program.say("audio-chunk", {"rate": 48_000, "width": 2, "channels": 2}, bytes(48_000 * 4))
        await program.say("audio-stop")
        events = await program.until("transcript-stop")
        await until(lambda: studio.hearing == 0 and studio.places == 2)
    assert studio.asked == [("en-GB", "ears")]
    assert types(events)[0] == "transcript-start" and types(events)[-2:] == ["transcript", "transcript-stop"]
    assert events[-2].data["text"] == "".join(str(event.data["text"]) for event in events if "chunk" in event.type)



async def test_context_of_a_recording_comes_back_with_its_transcript() -> None:
    context = {"conversation_id": "01J", "satellite": "kitchen"}
    async with connected() as program:
        await program.say("transcribe", {"language": "en", "context": context})
        await program.say("audio-start", SOUND)
        await program.say("audio-stop")
        told = await program.until("transcript-stop")
        await program.say("transcribe", {})
        await program.say("audio-start", SOUND)
        await program.say("audio-stop")
        without = await program.until("transcript-stop")
    told = [event for event in told if event.type in ("transcript-start", "transcript")]
    assert [event.data["context"] for event in told] == [context] * 2
    assert not [event for event in without if "context" in event.data]


async def test_second_recording_is_as_good_as_the_first_and_chooses_for_itself() -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        for language in ("en", "not a language"):
            await program.say("transcribe", {"language": language})
            await program.say("audio-start", SOUND)
            await program.say("audio-chunk", SOUND, bytes(64_000))
            await program.say("audio-stop")
            await program.until("transcript-stop")
    assert studio.asked == [("en", ""), (None, "")]


@pytest.mark.parametrize(
    ("about", "payload"),
    [({**SOUND, "width": 4}, bytes(640)), ({**SOUND, "channels": 6}, bytes(648)), ({**SOUND, "rate": 1}, bytes(640)),
     ({}, bytes(640)), (SOUND, bytes(641))],
)  # fmt: skip
async def test_sound_that_cannot_be_read_ends_the_connection(about: dict[str, object], payload: bytes) -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("audio-start", SOUND)
        await program.say("audio-chunk", about, payload)
        assert types(await program.until("error")) == ["transcript-start", "error"]
        assert await program.read() is None
        await until(lambda: studio.hearing == 0 and studio.places == 2)


async def test_recogniser_that_fails_is_told_and_the_connection_ends() -> None:
    async with connected(ScriptedStudio(fails=True)) as program:
        await program.say("audio-start", SOUND)
        await program.say("audio-chunk", SOUND, bytes(640))
        error = (await program.until("error"))[-1]
        assert error.data == {"text": "scripted to fail", "code": "engine_failed"}
        assert await program.read() is None


async def test_text_is_spoken() -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("synthesize", {"text": "one two three", "voice": {"name": "one"}})
        events = await program.until("audio-stop")
        await program.say("synthesize", {"text": "four"})
        again = await program.until("audio-stop")
    assert events[0] == Event("audio-start", {"rate": RATE, "width": 2, "channels": 1})
    assert seconds(events) == pytest.approx(3 * WORD_SECONDS) and seconds(again) == pytest.approx(WORD_SECONDS)
    assert np.abs(np.frombuffer(events[1].payload, "<i2")).max() > 1000
    assert studio.spoken == [("one two three", "one", 1.0), ("four", "", 1.0)]


@pytest.mark.parametrize(
    ("wish", "voice"),
    [({"name": "large"}, "large"), ({"name": "marin"}, "one"), ({"name": "alloy"}, ""), ({"name": "nobody"}, ""),
     ({"language": "en_GB"}, "one"), ({"language": "en"}, "one"), ({"language": "de"}, ""), ({}, "")],
)  # fmt: skip
async def test_voice_is_chosen_by_name_or_by_language(wish: dict[str, object], voice: str) -> None:
    studio = ScriptedStudio()
    async with connected(studio, names=NameSettings(voices={"marin": "one"})) as program:
        await program.say("synthesize", {"text": "hello", "voice": wish})
        await program.until("audio-stop")
    assert studio.spoken == [("hello", voice, 1.0)]


async def test_text_that_comes_in_pieces_is_spoken_before_its_end() -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("synthesize-start", {"voice": {"name": "one"}})
        for piece in ("This is a first sent", "ence of some length. And th", "is comes"):
            await program.say("synthesize-chunk", {"text": piece})
        begun = await program.until("audio-chunk")
        await program.say("synthesize-chunk", {"text": " later."})
        await program.say("synthesize", {"text": "This is a first sentence of some length. And this comes later."})
        await program.say("synthesize-stop")
        rest = await program.until("synthesize-stopped")
    assert types(begun) == ["audio-start", "audio-chunk"]
    assert set(types(rest)[:-2]) == {"audio-chunk"} and types(rest)[-2:] == ["audio-stop", "synthesize-stopped"]
    text = " ".join(spoken for spoken, _, _ in studio.spoken)
    assert text == "This is a first sentence of some length. And this comes later."
    assert {voice for _, voice, _ in studio.spoken} == {"one"} and studio.places == 2


async def test_text_without_a_word_begins_and_ends() -> None:
    async with connected() as program:
        await program.say("synthesize", {"text": "NOTHING"})
        assert types(await program.until("audio-stop")) == ["audio-start", "audio-stop"]


@pytest.mark.parametrize("leaves", [True, False])
async def test_speech_that_nobody_takes_any_more_is_stopped(leaves: bool) -> None:
    studio = ScriptedStudio()
    async with serving(studio) as port:
        program = await connect(port)
        await program.say("synthesize", {"text": "one WAIT two"})
        await program.until("audio-chunk")
        assert (studio.speaking, studio.places) == (1, 1)
        if leaves:
            await program.__aexit__()
            await until(lambda: studio.speaking == 0 and studio.places == 2)
    assert (studio.speaking, studio.places) == (0, 2), "nor is it when the server stops"
    await program.__aexit__()


async def test_voice_that_fails_and_house_that_is_full_are_told() -> None:
    for studio, code in ((ScriptedStudio(), "engine_failed"), (ScriptedStudio(places=0), "server_full")):
        async with connected(studio) as program:
            await program.say("synthesize", {"text": "FAIL"})
            assert (await program.until("error"))[-1].data["code"] == code
            assert await program.read() is None


@pytest.mark.parametrize(
    ("says", "kind", "outcome"),
    [
        ([("synthesize", {"text": "one"})], Kind.SPEECH, Outcome.DONE),
        ([("synthesize-start", {}), ("synthesize-chunk", {"text": "one. "}), ("synthesize-stop", {})], Kind.SPEECH,
         Outcome.DONE),
        ([("synthesize-start", {}), ("synthesize-chunk", {"text": "FAIL now. And then more of it."})], Kind.SPEECH,
         Outcome.FAILED),
        ([("synthesize-start", {}), ("synthesize-chunk", {"text": "one. "})], Kind.SPEECH, Outcome.LEFT),
        ([("audio-start", SOUND), ("audio-stop", {})], Kind.TRANSCRIPTION, Outcome.DONE),
        ([("audio-start", SOUND)], Kind.TRANSCRIPTION, Outcome.LEFT),
    ],
)  # fmt: skip
async def test_end_of_each_job_is_told_to_the_studio(
    says: list[tuple[str, dict[str, object]]], kind: Kind, outcome: Outcome
) -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        for type, data in says:
            await program.say(type, data)
        await program.say("ping")
        await program.until("error" if outcome is Outcome.FAILED else "pong")
    await until(lambda: studio.jobs)
    assert studio.jobs == [(kind, outcome)]


async def test_recogniser_that_fails_is_a_job_that_failed() -> None:
    studio = ScriptedStudio(fails=True)
    async with connected(studio) as program:
        await program.say("audio-start", SOUND)
        await program.say("audio-chunk", SOUND, bytes(640))
        await program.until("error")
    await until(lambda: studio.jobs)
    assert studio.jobs == [(Kind.TRANSCRIPTION, Outcome.FAILED)]


@pytest.mark.parametrize(
    "wish",
    [{}, {"text": 7}, {"text": "a" * 16_385}, {"text": "a", "voice": "one"}, {"text": "a", "text_format": "ssml"}],
)
async def test_text_that_cannot_be_spoken_is_refused(wish: dict[str, object]) -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("synthesize", wish)
        assert types(await program.until("error")) == ["error"]
    assert studio.spoken == []


async def test_text_in_pieces_without_end_is_refused() -> None:
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("synthesize-start")
        for _ in range(5):
            await program.say("synthesize-chunk", {"text": "a" * 4_000})
        assert (await program.until("error"))[-1].data["code"] == "invalid_value"
        await until(lambda: studio.places == 2)


async def test_question_is_answered_in_parts_and_in_whole() -> None:
    reception = ScriptedReception("They are on the second floor.")
    async with connected(reception=reception) as program:
        await program.say("transcript", {"text": "Where are they?", "language": "en"})
        events = await program.until("handled-stop")
        await until(lambda: reception.taken == 0)
    assert types(events)[0] == "handled-start" and types(events)[-2:] == ["handled", "handled-stop"]
    assert events[-2].data == {"text": "They are on the second floor."}
    parts = "".join(str(event.data["text"]) for event in events[1:-2])
    assert parts.strip() == "They are on the second floor."
    assert reception.agent.asked == [[("user", "Where are they?")]]


async def test_conversation_goes_on_over_connections_that_name_it() -> None:
    reception = ScriptedReception("One.", "Two.", "Three.")
    context = {"conversation_id": "01J"}
    async with serving(reception=reception) as port:
        for question, about in (("first", context), ("second", context), ("third", {"conversation_id": "01K"})):
            async with await connect(port) as program:
                await program.say("transcript", {"text": question, "context": about})
                handled = (await program.until("handled"))[-1]
                assert handled.data["context"] == about
    assert reception.agent.asked[1] == [("user", "first"), ("assistant", "One."), ("user", "second")]
    assert reception.agent.asked[2] == [("user", "third")]


async def test_conversation_without_a_name_lasts_as_long_as_its_connection() -> None:
    reception = ScriptedReception("One.", "Two.", "Three.")
    async with serving(reception=reception) as port:
        for questions in (("first", "second"), ("third",)):
            async with await connect(port) as program:
                for question in questions:
                    await program.say("transcript", {"text": question})
                    await program.until("handled-stop")
    assert [len(asked) for asked in reception.agent.asked] == [1, 3, 1]


@pytest.mark.parametrize(
    ("reception", "text", "told"),
    [(ScriptedReception("!"), "Sorry, something went wrong", ["handled-start", "handled-chunk", "not-handled"]),
     (ScriptedReception(places=0), "all places are taken", ["not-handled"])],
)  # fmt: skip
async def test_question_without_an_answer_is_not_handled(
    reception: ScriptedReception, text: str, told: list[str]
) -> None:
    async with connected(reception=reception) as program:
        await program.say("transcript", {"text": "Where are they?"})
        events = await program.until("not-handled")
        assert types(events) == told and str(events[-1].data["text"]).startswith(text)
        await program.say("ping")
        assert (await program.until("pong"))[-1].data == {"text": None}


async def test_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.3)
    reception = ScriptedReception("slow and slower")
    reception.agent.delay = 30.0
    async with connected(reception=reception) as program:
        await program.say("transcript", {"text": "Where are they?"})
        (told,) = await program.until("not-handled")
        assert told.data == {"text": "there was no answer within 0.3 s"}
        assert (reception.taken, reception.agent.working) == (0, 0)


async def test_asker_who_leaves_ends_the_session() -> None:
    reception = ScriptedReception("slow and slower")
    reception.agent.delay = 30.0
    async with serving(reception=reception) as port:
        async with await connect(port) as program:
            await program.say("transcript", {"text": "Where are they?"})
            await until(lambda: reception.agent.working)
        await until(lambda: reception.taken == 0 and reception.agent.working == 0)


async def test_greeting_is_no_answer() -> None:
    agent = {"engine": "echo", "greeting": "Welcome to the museum."}
    engines = {"asr": {"engine": "scripted"}, "tts": {"engine": "tone"}}
    house = House(Settings.model_validate({"agent": agent, **engines}))
    try:
        await house.open()
        async with connected(house.studio, house) as program:
            await program.say("transcript", {"text": "Where are they?"})
            handled = await program.until("handled")
        assert "Where are they?" in str(handled[-1].data["text"]) and "museum" not in str(handled)
    finally:
        await house.close()


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"x" * 2 * LINE_BYTES + b"\n", b"{}\n"])
async def test_what_is_no_event_ends_the_connection(line: bytes) -> None:
    async with connected() as program:
        with suppress(ConnectionError):
            await program.write(line)
        told = await program.read()
        assert told is None or told.type == "error"
        assert await program.read() is None


async def test_program_that_is_silent_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSE", 0.2)
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("audio-start", SOUND)
        await program.until("transcript-start")
        assert await program.read() is None
        assert (studio.hearing, studio.places) == (0, 2)


async def test_program_that_reads_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL", 0.2)
    studio = ScriptedStudio()
    async with connected(studio) as program:
        await program.say("synthesize", {"text": "w " * 8_000})  # 25 MB, more than a system holds for a reader
        await until(lambda: studio.spoken and studio.speaking == 0 and studio.places == 2)
        events = []
        while (event := await program.read()) is not None:
            events.append(event)
        assert "audio-stop" not in types(events)


async def test_one_program_too_many_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming, "MOST", 1)
    async with serving() as port, await connect(port) as first:
        await first.say("ping")
        await first.until("pong")
        async with await connect(port) as second:
            assert await second.read() is None
        await first.say("ping")
        await first.until("pong")


async def test_port_that_is_taken_is_told() -> None:
    async with serving() as port:
        taken = Settings(wyoming=WyomingSettings(port=port))
        with pytest.raises(VoicechatError, match=f"cannot listen on 127.0.0.1:{port} for Wyoming"):
            async with wyoming.serving(taken, ScriptedReception(), ScriptedStudio()):
                pass


async def test_without_a_port_nothing_listens() -> None:
    with capture_logs() as logs:
        async with wyoming.serving(Settings(), ScriptedReception(), ScriptedStudio()):
            assert logs == []
