"""Prefect's server application behind a guard against requests from foreign pages.

Run by uvicorn (`flows.servers.guarded_prefect:create_app`), in the environment that flows/servers/definitions.py
defines. Prefect itself checks the password, but no host names, and only browsers enforce its list of origins: a form on
a foreign page and a websocket would get through.
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
    """Refuses requests and websockets from pages of other origins.

    Args:
        app: The guarded application.
        origins: Allowed values of the Origin header; requests without one do not come from a page and pass.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on allowed requests; answers others with 403, and closes websockets."""
        origin = Headers(scope=scope).get("origin") if scope["type"] in {"http", "websocket"} else None
        if origin is None or origin in self.origins:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(f"pages of {origin} may not use this server", 403)(scope, receive, send)
        else:
            await WebSocketClose(code=1008)(scope, receive, send)


def create_app() -> ASGIApp:
    """Prefect's application behind the guard."""
    origins = os.environ[ORIGINS].split(",")
    hosts = sorted({urlsplit(origin).hostname or "" for origin in origins})
    return TrustedHostMiddleware(OriginGuard(create_prefect(final=True), origins), allowed_hosts=hosts)
