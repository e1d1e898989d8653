"""What a session begins with, as its client asks for it by the address that it connects to and by its key."""

import json

from aiohttp import web

from voicechat.transport.access import admission
from voicechat.transport.realtime.transcription_session import INTENT


def of(request: web.Request) -> list[str]:
    """Messages, as if the client had sent them before all others."""
    session = admission.of(request).update()
    meant = json.dumps({"type": "session.update", "session": {"type": INTENT}})
    transcribes = request.query.get("intent") == INTENT
    return [*([meant] if transcribes else []), *([session] if session is not None else [])]
