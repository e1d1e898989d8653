"""What happens to the caller's sound, as the realtime protocol tells it. No I/O."""

from voicechat.events import InputCleared, InputCommitted, InputTimedOut, SpeechStarted, SpeechStopped
from voicechat.transport.realtime.formats import milliseconds
from voicechat.transport.realtime.items import Message

InputEvent = SpeechStarted | SpeechStopped | InputCommitted | InputCleared | InputTimedOut

_BUFFER = "input_audio_buffer"


def tell(event: InputEvent) -> Message:
    match event:
        case SpeechStarted():
            at = milliseconds(event.at)
            return {"type": f"{_BUFFER}.speech_started", "audio_start_ms": at, "item_id": event.item}
        case SpeechStopped():
            at = milliseconds(event.at)
            return {"type": f"{_BUFFER}.speech_stopped", "audio_end_ms": at, "item_id": event.item}
        case InputCommitted():
            return {"type": f"{_BUFFER}.committed", "previous_item_id": event.previous, "item_id": event.item}
        case InputCleared():
            return {"type": f"{_BUFFER}.cleared"}
        case InputTimedOut():
            start, end = milliseconds(event.start), milliseconds(event.end)
            times: Message = {"audio_start_ms": start, "audio_end_ms": end}
            return {"type": f"{_BUFFER}.timeout_triggered", **times, "item_id": event.item}
