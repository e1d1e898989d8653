"""OpenAI's own Python package at the audio endpoints: `openai_audio.py URL KEY FOLDER`. What it hears is in FOLDER."""

import sys
from pathlib import Path

from facts import tell
from openai import BadRequestError, NotFoundError, OpenAI

TEXT = "Where can I see the dinosaurs? They are in the great hall, behind the stairs."
MANY = 55
LONG = "This sentence is one of very many that nobody will hear to the end. " * MANY
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


def speak(client: OpenAI, folder: Path) -> None:
    for format in FORMATS:
        path = folder / f"speech.{format}"
        with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input=TEXT, response_format=format, instructions="Be kind."
        ) as response:
            response.stream_to_file(path)
            tell("spoken", format=format, content_type=response.headers["content-type"])
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="one of a kind", input=TEXT, response_format="pcm", stream_format="sse"
    ) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        tell("warned", warning=response.headers["voicechat-warning"])
    tell("events", first=events[0][:40], last=events[-1][:40])


def leave(client: OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=LONG, response_format="pcm"
    ) as response:
        first = next(response.iter_bytes(4800))
        tell("left", bytes=len(first), clauses=MANY)


def understand(client: OpenAI, folder: Path) -> None:
    for format in FORMATS[:-1]:
        with (folder / f"speech.{format}").open("rb") as file:
            told = client.audio.transcriptions.create(model="whisper-1", file=file)
            tell("understood", format=format, text=told.text)
    recording = folder / "speech.wav"
    verbose = client.audio.transcriptions.create(
        model="whisper-1",
        file=recording,
        response_format="verbose_json",
        language="en",
        timestamp_granularities=["word", "segment"],
    )
    words = [word.word for word in verbose.words or []]
    tell("verbose", duration=verbose.duration, words=words, ends=[part.end for part in verbose.segments or []])
    for format in ("text", "srt", "vtt"):
        text = client.audio.transcriptions.create(model="whisper-1", file=recording, response_format=format)
        tell("subtitles", format=format, text=str(text))
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=recording, stream=True))
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    tell("streamed", deltas=deltas, last=events[-1].type, text=getattr(events[-1], "text", ""))


def refuse(client: OpenAI) -> None:
    try:
        client.audio.transcriptions.create(model="whisper-1", file=b"#EXTM3U\nfile:///etc/passwd\n")
    except BadRequestError as error:
        tell("refused", code=error.code, param=error.param)
    try:
        client.models.retrieve("a-model-of-nobody")
    except NotFoundError as error:
        tell("refused", code=error.code, param=error.param)


def main() -> None:
    url, key, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
        tell("models", ids=[model.id for model in client.models.list()])
        speak(client, folder)
        leave(client)
        understand(client, folder)
        refuse(client)


main()
