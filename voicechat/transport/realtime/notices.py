"""What went wrong, and what was met otherwise, as the realtime protocol says it. No I/O."""

from typing import Final

from voicechat.events import Failed, Noted
from voicechat.transport.realtime.items import Message

_REQUESTS: Final = frozenset({
    "invalid_json", "unknown_event", "unknown_parameter", "missing_field", "invalid_value", "unsupported_parameter",
    "unsupported_content", "audio_not_base64", "audio_odd_length", "audio_on_channel", "audio_too_long", "not_text",
    "message_too_large", "item_not_found", "item_create_duplicate_item_id", "item_retrieve_invalid_item_id",
    "item_delete_invalid_item_id", "item_truncate_invalid_item_id", "input_audio_buffer_commit_empty",
    "response_cancel_not_active", "conversation_already_has_active_response", "cannot_update_voice", "call_not_found",
    "response_not_available", "image_not_data", "image_too_large",
})  # fmt: skip
"""Errors that are the client's; all others are ours."""


def failure(event: Failed) -> Message:
    theirs = event.code in _REQUESTS or event.event_id is not None or event.param is not None
    error = {
        "type": "invalid_request_error" if theirs else "server_error",
        "code": event.code,
        "message": event.message,
        "param": event.param,
        "event_id": event.event_id,
    }
    return {"type": "error", "error": error}


def warning(event: Noted) -> Message:
    """No error of the protocol: some clients give up at any."""
    return {"type": "voicechat.warning", "code": event.code, "message": event.message, "param": event.param}
