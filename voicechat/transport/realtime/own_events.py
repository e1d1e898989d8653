"""Events that the realtime protocol does not have, for clients that name them in `include`. No I/O."""

from typing import Final

from voicechat.conversation import SessionSettings
from voicechat.events import ReplyPaused, ReplyResumed, StateChanged, TranscriptPartial, TurnMeasured
from voicechat.transport.realtime import includes
from voicechat.transport.realtime.formats import milliseconds
from voicechat.transport.realtime.items import Message

STATE, LATENCY, PARTIALS = "voicechat.state", "voicechat.latency", "voicechat.partials"

OwnEvent = StateChanged | ReplyPaused | ReplyResumed | TurnMeasured | TranscriptPartial

_NAMES: Final = {StateChanged: STATE, ReplyPaused: STATE, ReplyResumed: STATE, TurnMeasured: LATENCY}


def knows_us(settings: SessionSettings) -> bool:
    """Whether the client has asked for any of them: it was made for this server."""
    return not includes.names(settings).isdisjoint((STATE, LATENCY, PARTIALS))


def tell(event: OwnEvent, wanted: frozenset[str]) -> list[Message]:
    """What a client is told that wants these."""
    return [_write(event)] if _NAMES.get(type(event), PARTIALS) in wanted else []


def _write(event: OwnEvent) -> Message:
    match event:
        case StateChanged():
            return {"type": "voicechat.state", "state": str(event.state)}
        case ReplyPaused():
            return {"type": "voicechat.paused", "response_id": event.reply}
        case ReplyResumed():
            return {"type": "voicechat.resumed", "response_id": event.reply}
        case TurnMeasured():
            return {
                "type": "voicechat.latency",
                "turn": event.turn,
                "endpointed_ms": milliseconds(event.endpointed),
                "understood_ms": milliseconds(event.understood),
                "first_word_ms": milliseconds(event.first_word),
                "first_sound_ms": milliseconds(event.first_sound),
            }
        case TranscriptPartial():
            return {
                "type": "voicechat.partial",
                "item_id": event.item,
                "transcript": event.stable + event.tail,
                "stable": event.stable,
                "tail": event.tail,
                "revised": event.revised,
            }
