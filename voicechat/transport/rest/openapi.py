"""The routes described for machines: GET /openapi.json.

`openapi.yaml` has what is each route's own. What they have in common follows from the router: which of them are there,
and by their scopes who may ask, and how others are refused.
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web

from voicechat import __version__
from voicechat.transport.access.scopes import Scope, declared, scope

PATH: Final = "/openapi.json"

_FILE: Final = Path(__file__).with_name("openapi.yaml")
_FILES_OF_THE_PAGE: Final = "/static/"

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A tenth of the time, where PyYAML was built with it."""

Document = dict[str, Any]


def routes(router: web.UrlDispatcher) -> list[web.AbstractRouteDef]:
    """Describes the routes that are in the router by now, and itself. Blocks for some ten milliseconds."""

    @scope(Scope.OPEN)
    async def give(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    body = json.dumps(document({**_found(router), ("get", PATH): Scope.OPEN})).encode()
    return [web.get(PATH, give)]


def document(there: dict[tuple[str, str], Scope]) -> Document:
    """The description of the routes that are `there`: methods in small letters and paths, and what they ask for."""
    described: Document = yaml.load(_FILE.read_text(encoding="utf-8"), _Loader)
    described["info"]["version"] = __version__
    paths: Document = {}
    for (method, path), wanted in there.items():
        whole = described["paths"][path]
        shared = {"parameters": whole["parameters"]} if "parameters" in whole else {}
        paths.setdefault(path, shared)[method] = _operation(whole[method], wanted)
    return {**described, "paths": paths}


def _found(router: web.UrlDispatcher) -> dict[tuple[str, str], Scope]:
    """All but the page's own files, and HEAD, which is GET's."""
    return {
        (route.method.lower(), route.resource.canonical): declared(route.handler) or Scope.OPERATE
        for route in router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and not route.resource.canonical.startswith(_FILES_OF_THE_PAGE)
    }


def _operation(own: Document, wanted: Scope) -> Document:
    """With how the guard refuses, which comes before the route."""
    refused = {"403": _response("Error"), "421": _response("Error")}
    if wanted is Scope.OPEN:
        return {**own, "responses": {**own["responses"], **refused}, "security": []}
    refused |= {"401": _response("Unknown"), "429": _response("Later")}
    asked = f"Needs the scope {wanted}."
    return {
        **own,
        "description": f"{own['description']} {asked}" if "description" in own else asked,
        "responses": {**own["responses"], **refused},
        "security": [{"key": []}],
    }


def _response(name: str) -> Document:
    return {"$ref": f"#/components/responses/{name}"}
