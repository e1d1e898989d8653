"""What is understood of the caller, on the wire."""

from typing import Any

from tests.realtime_turns import SPOKEN_TURN, kinds, say
from voicechat.conversation import SessionSettings
from voicechat.events import SessionStarted, TranscriptFinal, TranscriptPartial


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
