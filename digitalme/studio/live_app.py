"""The HTTP and WebSocket face of `digitalme live`. Needs the extra `studio`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from fastapi import Body, FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from digitalme.artifacts import Avatar
from digitalme.errors import InputError
from digitalme.studio.guard import Guard
from digitalme.studio.live import Live
from digitalme.studio.viewer import STATIC, static, write_view


def open_live(avatar: Avatar, scratch: Path, **parts: Any) -> FastAPI:
    """The app for an avatar. Raises MissingExtraError where the page was not built."""
    static("live.js")
    path = scratch / "avatar.view"
    write_view(avatar, path)
    return live_app(Live(avatar, path.read_bytes(), **parts))


def live_app(live: Live) -> FastAPI:
    app = FastAPI(title="digitalme live", lifespan=live.running, docs_url=None, redoc_url=None)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return static("live.html")

    @app.get("/avatar")
    def avatar() -> Response:
        return Response(live.view, media_type="model/gltf-binary")

    @app.get("/api/about")
    def about() -> dict:
        return live.about()

    @app.get("/api/weights")
    def weights() -> dict:
        """The face as it is now, for programs that ask instead of listening."""
        now = time.monotonic()
        found, head = live.performer.at(now)
        return {"time": round(now, 4), "weights": found, "head": head}

    @app.post("/api/say")
    def say(text: str = Body(embed=True), emotion: str = Body("", embed=True)) -> dict:
        try:
            return {"sentences": live.say(text, emotion)}
        except InputError as error:
            raise HTTPException(422, str(error)) from None

    @app.post("/api/emotion")
    def feel(emotion: str = Body(embed=True)) -> dict:
        try:
            live.feel(emotion)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        return {"emotion": emotion}

    @app.post("/api/stop")
    async def stop() -> dict:
        await live.stop()
        return {}

    async def answer(socket: Any, message: dict) -> None:
        match message:
            case {"type": "say", "text": str(text)}:
                live.say(text, str(message.get("emotion", "")))
            case {"type": "emotion", "emotion": str(emotion)}:
                live.feel(emotion)
            case {"type": "stop"}:
                await live.stop()
            case {"type": "listen" | "deaf"}:
                live.deaf(socket)
            case _:
                raise InputError("expected {type: say, emotion, stop, listen or deaf}, or sound as binary messages")

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(json.dumps({"type": "hello", **live.about()}))
        live.join(socket)
        try:
            while True:
                received = await socket.receive()
                if received["type"] == "websocket.disconnect":
                    break
                try:
                    if (data := received.get("bytes")) is not None:
                        await live.hear(socket, data)
                    else:
                        message = json.loads(received.get("text") or "")
                        await answer(socket, message if isinstance(message, dict) else {})
                except (InputError, ValueError) as error:
                    await socket.send_text(json.dumps({"type": "error", "message": str(error)}))
        except (WebSocketDisconnect, RuntimeError):
            pass  # it hung up while it was being told something
        finally:
            live.leave(socket)

    app.add_middleware(Guard)
    return app
