"""Who may talk to a page's server: this computer's own browser, from that very page, and programs on this computer.

A page of the internet that a browser shows can send requests to 127.0.0.1. It is told apart by its Origin; and where it
gave its own name our address (DNS rebinding), by the Host.
"""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from digitalme.errors import InputError, MissingExtraError

OWN_NAMES = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' blob: data:; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

_Message = MutableMapping[str, Any]
_App = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]]


def is_own(host: str, origin: str | None) -> bool:
    """Whether a request's Host names this computer, and its Origin, where it has one, is the same address."""
    try:
        parts = urlsplit(f"//{host}")
        address = (parts.hostname, parts.port or 80)
        if parts.hostname not in OWN_NAMES or parts.username is not None:
            return False
        if origin is None:
            return True
        sent = urlsplit(origin)
        return sent.scheme == "http" and (sent.hostname, sent.port or 80) == address
    except ValueError:
        return False


class Guard:
    """ASGI middleware: others get 403 (a WebSocket is refused); own pages get headers that keep the outside out."""

    def __init__(self, app: _App) -> None:
        self.app = app

    async def __call__(self, scope: _Message, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        hosts, origins = _header(scope["headers"], b"host"), _header(scope["headers"], b"origin")
        allowed = len(hosts) == 1 and len(origins) <= 1 and is_own(hosts[0], origins[0] if origins else None)
        if not allowed:
            if scope["type"] == "websocket":
                await receive()
                return await send({"type": "websocket.close", "code": 1008})
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": plain})
            return await send({"type": "http.response.body", "body": b"only this computer's own pages may ask this"})

        async def with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        return await self.app(scope, receive, with_headers)


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def serve(app: Any, port: int, browser: bool, tell: Callable[[str], None]) -> None:
    """Serve an app on this computer until it is stopped. Raises InputError where the port is taken."""
    try:
        import uvicorn
    except ImportError:
        raise missing() from None
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise InputError(f"--port {port}: cannot be used ({error.strerror}); choose another") from None
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    tell(f"{address}   (Ctrl-C ends it)")
    if browser:
        webbrowser.open(address)
    settings = uvicorn.Config(app, log_level="warning", ws_max_size=2**20, server_header=False, lifespan="on")
    uvicorn.Server(settings).run(sockets=[listener])


def missing() -> MissingExtraError:
    return MissingExtraError('pages need a web server; get it with: pip install "digitalme[studio]"')
