"""What is understood of the caller, on the wire."""

from pathlib import Path
from typing import Any

import faster_whisper
import pytest
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent

from tests.realtime_house import SPEECH, Answering, calling, send, until
from tests.realtime_turns import SPOKEN_TURN, kinds, say
from tests.tiny import whisper as tiny
from voicechat.adapters.asr.whisper import WhisperEngine
from voicechat.adapters.whisper.window import Window
from voicechat.conversation import SessionSettings, Weighed
from voicechat.events import SessionStarted, SettingsChanged, TranscriptFinal, TranscriptPartial


def understand(final: str, *stable: str) -> list[dict[str, Any]]:
    return say([*(TranscriptPartial("item_1", text) for text in stable), TranscriptFinal("item_1", final, 1, 1, 1)])


def test_transcript_deltas_are_never_taken_back() -> None:
    messages = understand("the cat spat", "the", "the cat", "the cat", "the cat sat")
    assert [message["delta"] for message in messages[:-1]] == ["the", " cat", " sat"]
    assert {message["type"] for message in messages[:-1]} == {"conversation.item.input_audio_transcription.delta"}
    assert (messages[-1]["transcript"], messages[-1]["revised"]) == ("the cat spat", True)


def test_transcript_deltas_join_to_the_final_transcript_when_nothing_was_revised() -> None:
    messages = understand("one two, three!", "one", "one two")
    assert "".join(message["delta"] for message in messages[:-1]) == messages[-1]["transcript"] == "one two, three!"
    assert messages[-1]["type"] == "conversation.item.input_audio_transcription.completed"
    assert "revised" not in messages[-1]
    assert [message.get("delta") for message in understand("one two.")] == ["one two.", None]


def test_caller_who_wants_no_transcripts_gets_none() -> None:
    events = [SessionStarted("sess_a", SessionSettings(transcribes=False)), *SPOKEN_TURN[1:]]
    assert not [kind for kind in kinds(say(events)) if "transcription" in kind]
    assert say(events)[0]["session"]["audio"]["input"]["transcription"] is None


WEIGHED = TranscriptFinal("item_1", "Grüezi mitenand", 1, 1, 1, (Weighed("Grüezi", -0.25), Weighed(" mitenand", -1.5)))
ASKING = SessionSettings(weighs=True)


def test_log_probabilities_are_told_to_those_who_ask_as_the_recogniser_says_them() -> None:
    [_, completed] = say([WEIGHED])
    assert "logprobs" not in completed
    [_, _, completed] = say([SettingsChanged(ASKING), WEIGHED])
    assert completed["logprobs"] == [
        {"token": "Grüezi", "bytes": [71, 114, 195, 188, 101, 122, 105], "logprob": -0.25},
        {"token": " mitenand", "bytes": list(b" mitenand"), "logprob": -1.5},
    ]
    known = ConversationItemInputAudioTranscriptionCompletedEvent.model_validate(completed, strict=True)
    assert known.logprobs and "".join(each.token for each in known.logprobs) == known.transcript


def test_recogniser_that_does_not_say_is_not_made_to() -> None:
    messages = say([SettingsChanged(ASKING), TranscriptFinal("item_1", "Hello", 1, 1, 1)])
    assert not [message for message in messages if "logprobs" in message]


@pytest.mark.parametrize("asks", [True, False])
async def test_whisper_says_how_likely_words_are_where_a_client_asks(tmp_path: Path, asks: bool) -> None:
    model = faster_whisper.WhisperModel(str(tiny.build(tmp_path, certainty=0.14)), device="cpu", cpu_threads=1)
    engine = WhisperEngine(Window(model), "en")
    include = {"include": ["item.input_audio_transcription.logprobs"]} if asks else {}
    async with calling(Answering("yes", recogniser=engine), query="?intent=transcription") as socket:
        await send(socket, "session.update", session={"type": "transcription", **include})
        await until(socket, "session.updated")
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        completed = (await until(socket, "conversation.item.input_audio_transcription.completed"))[-1]
    engine.close()
    assert completed["transcript"] == "Hello, how are you?"
    assert ("logprobs" in completed) is asks
    if asks:
        assert "".join(each["token"] for each in completed["logprobs"]).strip() == completed["transcript"]
        assert all(-2 < each["logprob"] < 0 for each in completed["logprobs"])
