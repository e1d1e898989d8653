"""Which models and voices there are: GET /v1/models, /v1/models/{model} and /v1/voices."""

from dataclasses import asdict

from aiohttp import web

from voicechat.config import Settings
from voicechat.errors import PeerError
from voicechat.protocols import Studio
from voicechat.transport.access.scopes import Scope, scope


def routes(settings: Settings, studio: Studio) -> list[web.AbstractRouteDef]:
    @scope(Scope.TALK)
    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [_model(name) for name in studio.models]})

    @scope(Scope.TALK)
    async def model(request: web.Request) -> web.Response:
        """Raises PeerError."""
        name = request.match_info["model"]
        if name not in studio.models:
            raise PeerError("model_not_found", f"There is no model {name[:100]!r}.")
        return web.json_response(_model(name))

    @scope(Scope.TALK)
    async def voices(request: web.Request) -> web.Response:
        found = [{"id": voice.name, "object": "voice", **asdict(voice)} for voice in studio.voices]
        return web.json_response({"object": "list", "data": found})

    return [web.get("/v1/models", models), web.get("/v1/models/{model}", model), web.get("/v1/voices", voices)]


def _model(name: str) -> dict[str, object]:
    """As OpenAI lists one; when it was made is not known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "voicechat"}
