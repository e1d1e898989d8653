"""What is understood of the caller, as the realtime protocol tells it. No I/O."""

from typing import Final

from voicechat.conversation import Weighed
from voicechat.events import TranscriptFailed, TranscriptFinal, TranscriptPartial
from voicechat.transport.realtime.items import Message
from voicechat.transport.realtime.told import Told

TranscriptEvent = TranscriptPartial | TranscriptFinal | TranscriptFailed

_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"


class Transcripts:
    """One client's. Deltas cannot be taken back, so only stable words are sent."""

    def __init__(self) -> None:
        self._told = Told()

    def tell(self, event: TranscriptEvent, *, weighs: bool = False) -> list[Message]:
        """To be asked for every event, wanted or not: each delta joins to those before.

        `weighs` says that the client wants to know how likely it all is, as far as the recogniser says.
        """
        where: Message = {"item_id": event.item, "content_index": 0}
        match event:
            case TranscriptPartial():
                told: list[Message] = []
                delta = self._told.grow(event.item, event.stable)
            case TranscriptFinal():
                usage = {"type": "duration", "seconds": event.seconds}
                delta, revised = self._told.finish(event.item, event.text)
                told = [{"type": f"{_TRANSCRIPTION}.completed", **where, "transcript": event.text, "usage": usage}]
                if weighs and event.weighed:
                    told[0]["logprobs"] = [_weight(piece) for piece in event.weighed]
                if revised:  # beyond the protocol: the deltas do not join to this transcript
                    told[0]["revised"] = True
            case TranscriptFailed():
                error = {"type": "transcription_error", "code": event.code, "message": event.message}
                told = [{"type": f"{_TRANSCRIPTION}.failed", **where, "error": error}]
                delta, _ = self._told.finish(event.item, "")
        if delta:
            told.insert(0, {"type": f"{_TRANSCRIPTION}.delta", **where, "delta": delta})
        return told


def _weight(piece: Weighed) -> Message:
    return {"token": piece.text, "bytes": list(piece.text.encode()), "logprob": piece.logprob}
