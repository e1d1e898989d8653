"""Sessions that only transcribe: their object, how they are asked for, and that nothing is answered in them."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai.types.beta.realtime import TranscriptionSessionUpdatedEvent
from openai.types.realtime import ClientSecretCreateResponse, SessionUpdatedEvent
from openai.types.realtime.realtime_transcription_session_create_response import (
    RealtimeTranscriptionSessionCreateResponse,
)

from tests.realtime_house import SPEECH, Answering, calling, send, serving, until
from voicechat.commands import UpdateSettings
from voicechat.config import AgentSettings, Settings
from voicechat.conversation import Codec, SessionSettings, TurnDetection
from voicechat.errors import BadMessage
from voicechat.events import SessionStarted, SettingsChanged
from voicechat.transport.realtime import beta
from voicechat.transport.realtime.wire import RealtimeWire

ONLY = {"type": "transcription"}
UPDATE = json.dumps({"type": "session.update", "session": ONLY})


def wire(**options: Any) -> RealtimeWire:
    return RealtimeWire("sess_a", channel="websocket", transcriber="small.en", expires_at=99, **options)


def test_object_has_every_field_of_openais_and_no_other() -> None:
    settings = SessionSettings(answers=False, language="de", hears=Codec.MULAW, turns=TurnDetection(silence=0.5))
    [message] = wire().encode(SettingsChanged(settings))
    assert message["type"] == "session.updated"
    session = message["session"]
    assert session == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_a",
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "small.en", "language": "de"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
        "include": None,
        "expires_at": 99,
    }
    assert set(RealtimeTranscriptionSessionCreateResponse.model_fields) == set(session)
    known = RealtimeTranscriptionSessionCreateResponse.model_validate(session, strict=True)
    assert known.audio and known.audio.input and not known.audio.input.model_extra
    theirs = SessionUpdatedEvent.model_validate(message).session
    assert theirs.type == "transcription"


@pytest.mark.parametrize(
    ("session", "changes"),
    [
        (ONLY, {"answers": False}),
        (
            {
                **ONLY,
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcma"},
                        "transcription": {"model": "gpt-4o-transcribe", "language": "de", "prompt": "birds"},
                        "noise_reduction": {"type": "near_field"},
                        "turn_detection": None,
                    }
                },
                "include": ["item.input_audio_transcription.logprobs"],
            },
            {
                "answers": False,
                "hears": Codec.ALAW,
                "transcribes": True,
                "language": "de",
                "turns": None,
                "weighs": True,
                "extras": (
                    ("noise_reduction", {"type": "near_field"}),
                    ("transcription.model", "gpt-4o-transcribe"),
                    ("transcription.prompt", "birds"),
                    ("include", ["item.input_audio_transcription.logprobs"]),
                ),
            },
        ),
    ],
)
def test_update_says_how_to_hear(session: dict[str, Any], changes: dict[str, object]) -> None:
    command = wire().decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, UpdateSettings)
    assert dict(command.changes) == changes


@pytest.mark.parametrize(
    ("session", "param", "code"),
    [
        ({**ONLY, "instructions": "Sing."}, "session.instructions", "unknown_parameter"),
        ({**ONLY, "audio": {"output": {"voice": "amy"}}}, "session.audio.output", "unknown_parameter"),
        ({**ONLY, "audio": {"input": {"format": 7}}}, "session.audio.input.format", "invalid_value"),
        ({**ONLY, "include": 7}, "session.include", "invalid_value"),
        ({"type": "realtime"}, "session.type", "invalid_value"),
        ({"tools": []}, "session.tools", "unknown_parameter"),
    ],
)
def test_update_that_speaks_of_answers_is_refused_by_name(session: dict[str, Any], param: str, code: str) -> None:
    ours = wire()
    ours.decode(UPDATE)
    with pytest.raises(BadMessage) as caught:
        ours.decode(json.dumps({"type": "session.update", "session": session}))
    assert (caught.value.param, caught.value.code) == (param, code)


def test_session_that_begins_with_settings_is_told_of_when_it_has_them() -> None:
    ours = wire()
    ours.begin(UPDATE)
    ours.begin(json.dumps({"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}}))
    assert ours.encode(SessionStarted("sess_a", SessionSettings())) == []
    assert ours.encode(SettingsChanged(SessionSettings(answers=False))) == []
    created, conversation = ours.encode(SettingsChanged(SessionSettings(answers=False, turns=None)))
    assert (created["type"], conversation["type"]) == ("session.created", "conversation.created")
    assert created["session"]["type"] == "transcription"  # type: ignore[index]
    [updated] = ours.encode(SettingsChanged(SessionSettings(answers=False)))
    assert updated["type"] == "session.updated"


def test_beta_has_its_own_names_for_it() -> None:
    flat = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
        "modalities": ["text"],
        "client_secret": {"expires_at": {"anchor": "created_at"}},
    }
    ours = wire(old=True)
    command = ours.decode(json.dumps({"type": "transcription_session.update", "session": flat}))
    assert isinstance(command, UpdateSettings)
    assert command.changes["answers"] is False and command.changes["hears"] is Codec.MULAW
    created, _ = ours.encode(SessionStarted("sess_a", SessionSettings(answers=False)))
    assert created["type"] == "transcription_session.created"
    changed: Any = command.changes
    [updated] = ours.encode(SettingsChanged(replace(SessionSettings(), **{**changed, "turns": TurnDetection()})))
    assert updated["type"] == "transcription_session.updated"
    session: Any = updated["session"]
    assert (session["input_audio_format"], session["input_audio_transcription"]["model"]) == ("g711_ulaw", "whisper-1")
    secret = {"value": "ek_a", "expires_at": 1}  # which is never told over a socket, and always by their types
    session |= {"client_secret": secret}
    known = TranscriptionSessionUpdatedEvent.model_validate(updated)
    assert set(known.session.model_extra or {}) <= {
        "id", "object", "include", "expires_at", "input_audio_noise_reduction"
    }  # fmt: skip
    assert beta.understood({"type": "transcription_session.update"})["session"] is None


HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]
GREETING = Settings(agent=AgentSettings(greeting="Welcome."))


@pytest.mark.parametrize("query", ["?intent=transcription", ""])
async def test_caller_is_transcribed_and_never_answered(query: str) -> None:
    reception = Answering("never said", "nor this", settings=GREETING if query else None)
    async with calling(reception, query=query) as socket:
        first = await until(socket, "conversation.created")
        assert first[0]["session"]["type"] == ("transcription" if query else "realtime")
        await send(socket, "session.update", session={**ONLY, "audio": {"input": {"transcription": {"model": "m"}}}})
        [updated] = await until(socket, "session.updated")
        for turn in range(2):
            await send(socket, "input_audio_buffer.append", audio=SPEECH)
            messages = await until(socket, "conversation.item.input_audio_transcription.completed")
            assert [message["type"] for message in messages] == HEARD
            assert messages[-1]["transcript"] == f"question {turn}"
        await send(socket, "response.create", event_id="e1")
        [refused] = await until(socket, "error")
        await send(socket, "input_audio_buffer.commit", event_id="e2")
        [empty] = await until(socket, "error")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                raise AssertionError(await socket.receive_json())
    assert updated["session"]["audio"]["input"]["transcription"] == {"model": "m", "language": None}
    assert (refused["error"]["code"], refused["error"]["event_id"]) == ("response_not_available", "e1")
    assert (empty["error"]["code"], empty["error"]["event_id"]) == ("input_audio_buffer_commit_empty", "e2")
    assert reception.agent.asked == []


async def test_answer_under_way_ends_when_a_session_becomes_one() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    async with calling(Answering(long)) as socket:
        await until(socket, "conversation.created")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await until(socket, "response.output_audio.delta")
        await send(socket, "session.update", session=ONLY)
        messages = await until(socket, "session.updated")
    done = next(message for message in messages if message["type"] == "response.done")
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_who_presses_to_talk_is_transcribed_when_they_let_go() -> None:
    async with calling(Answering("never said"), query="?intent=transcription") as socket:
        await until(socket, "conversation.created")
        await send(socket, "session.update", session={**ONLY, "audio": {"input": {"turn_detection": None}}})
        [updated] = await until(socket, "session.updated")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        await send(socket, "input_audio_buffer.commit")
        messages = await until(socket, "conversation.item.input_audio_transcription.completed")
    assert updated["session"]["audio"]["input"]["turn_detection"] is None
    assert [message["type"] for message in messages] == HEARD[2:]


async def test_beta_program_is_transcribed_under_the_names_it_knows() -> None:
    header = dict([beta.HEADER])
    async with calling(Answering("never said"), query="?intent=transcription", headers=header) as socket:
        first = await until(socket, "transcription_session.created")
        wishes = {"input_audio_transcription": {"model": "whisper-1"}}
        await send(socket, "transcription_session.update", session=wishes)
        updated = (await until(socket, "transcription_session.updated"))[-1]
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        messages = await until(socket, "conversation.item.input_audio_transcription.completed")
    assert first[0]["session"]["object"] == "realtime.transcription_session"
    assert updated["session"]["input_audio_transcription"]["model"] == "whisper-1"
    assert "conversation.item.created" in [message["type"] for message in messages]


async def test_short_lived_key_may_be_for_it() -> None:
    wishes = {"session": {**ONLY, "audio": {"input": {"transcription": {"model": "m"}}}}}
    async with serving(Answering("never said")) as url, ClientSession() as http, asyncio.timeout(30):
        async with http.post(f"{url}/v1/realtime/client_secrets", json=wishes) as answer:
            made = ClientSecretCreateResponse.model_validate(await answer.json())
        async with http.post(f"{url}/v1/realtime/transcription_sessions", json={"modalities": ["text"]}) as answer:
            old = await answer.json()
        async with http.post(f"{url}/v1/realtime/transcription_sessions", json={"voice": "amy"}) as answer:
            refused = await answer.json()
        for key in (made.value, old["client_secret"]["value"]):
            headers = {"Authorization": f"Bearer {key}"}
            async with http.ws_connect(f"{url}/v1/realtime", headers=headers) as socket:
                first = await socket.receive_json()
                assert (first["type"], first["session"]["type"]) == ("session.created", "transcription")
        with pytest.raises(WSServerHandshakeError):
            wrong = {"session": {"type": "realtime"}}
            async with http.post(f"{url}/v1/realtime/client_secrets", json=wrong) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['value']}"}
            await http.ws_connect(f"{url}/v1/realtime?intent=transcription", headers=headers)
    assert isinstance(made.session, RealtimeTranscriptionSessionCreateResponse)
    assert made.session.object == old["object"] == "realtime.transcription_session"
    assert refused["error"]["code"] == "unknown_parameter"


async def test_call_may_be_for_it() -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    async with serving(Answering("never said", settings=GREETING)) as url, ClientSession() as http, asyncio.timeout(30):
        try:
            connection.addTransceiver("audio")
            connection.createDataChannel("oai-events").on("message", lambda message: told.put_nowait(message))
            await connection.setLocalDescription()
            sdp, headers = connection.localDescription.sdp, {"Content-Type": "application/sdp"}
            at = f"{url}/v1/realtime/calls?intent=transcription"
            async with http.post(at, data=sdp, headers=headers) as response:
                await connection.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
            created, conversation = [json.loads(await told.get()) for _ in range(2)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    raise AssertionError(await told.get())
        finally:
            await connection.close()
    assert (created["type"], created["session"]["type"]) == ("session.created", "transcription")
    assert conversation["type"] == "conversation.created"
