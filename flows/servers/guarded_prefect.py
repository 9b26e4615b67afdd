"""Prefect's server application with a guard in front: whom a browser may speak for.

Run by uvicorn (`flows.servers.guarded_prefect:create_app`), in the environment that flows/servers/definitions.py
makes. Prefect itself
checks the password; it has no list of host names, and the origins that it is given bind obedient browsers alone: a
form of a foreign page and a websocket get through.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefect.server.api.server import create_app as create_prefect
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

from flows.servers.definitions import ORIGINS

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send


class OriginGuard:
    """Refuses requests and websockets that a page of another origin has sent.

    Args:
        app: The application behind it.
        origins: Allowed values of the Origin header; requests without one come from no page and pass.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is allowed; the rest is answered with 403, a websocket is closed."""
        origin = Headers(scope=scope).get("origin") if scope["type"] in {"http", "websocket"} else None
        if origin is None or origin in self.origins:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(f"pages of {origin} may not speak to this server", 403)(scope, receive, send)
        else:
            await WebSocketClose(code=1008)(scope, receive, send)


def create_app() -> ASGIApp:
    """Prefect's application behind the guard."""
    origins = os.environ[ORIGINS].split(",")
    hosts = sorted({urlsplit(origin).hostname or "" for origin in origins})
    return TrustedHostMiddleware(OriginGuard(create_prefect(final=True), origins), allowed_hosts=hosts)
