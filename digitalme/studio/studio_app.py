"""The web server behind `digitalme studio`. Needs the extra `studio`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Body, Depends, FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import UploadFile

from digitalme.errors import DigitalMeError, InputError
from digitalme.exporters.options import FORMATS
from digitalme.paths import config as config_path
from digitalme.service import uploads
from digitalme.service.orders import Order
from digitalme.studio.guard import Guard
from digitalme.studio.viewer import EXPRESSIONS, STATIC, static
from digitalme.studio.workshop import Maker, Workshop, make

LARGEST_BODY = uploads.LARGEST_PHOTO + uploads.LARGEST_VOICE + 2**20
LONGEST_TEXT = 2000

_T = TypeVar("_T")


def open_studio(root: Path, store: Path | None, maker: Maker = make) -> FastAPI:
    """The app that makes avatars in `root`. Raises MissingExtraError where the page was not built."""
    static("studio.html")
    return studio_app(Workshop(root, store, maker))


def _or_422(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except DigitalMeError as error:
        raise HTTPException(422, str(error)) from None


async def _form(request: Request) -> AsyncIterator[dict]:
    """What a page's form holds: texts and files, which are closed behind the answer."""
    async with request.form(max_files=2, max_fields=8) as form:
        yield dict(form)


def _text(form: dict, name: str) -> str:
    text = form.get(name, "")
    return text if isinstance(text, str) and len(text) <= LONGEST_TEXT else ""


def _received(upload: UploadFile, kind: str, folder: Path) -> Path:
    """An upload as a file under a name of our own, checked. Raises InputError."""
    suffixes, largest, check = {
        "photo": (uploads.PHOTOS, uploads.LARGEST_PHOTO, uploads.check_photo),
        "voice": (uploads.VOICES, uploads.LARGEST_VOICE, uploads.check_voice),
    }[kind]
    path = folder / uploads.stored_name(kind, upload.filename, suffixes)
    uploads.store(path, iter(lambda: upload.file.read(2**20), b""), largest)
    check(path)
    return path


def studio_app(workshop: Workshop) -> FastAPI:
    app = FastAPI(title="digitalme studio", docs_url=None, redoc_url=None)
    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")

    @app.middleware("http")
    async def limit(request: Request, onward: Any) -> Response:
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY or "transfer-encoding" in request.headers:
            return JSONResponse({"detail": f"expected at most {LARGEST_BODY >> 20} MB"}, 413)
        return await onward(request)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return static("studio.html")

    @app.get("/api/about")
    def about() -> dict:
        looks = sorted(path.stem for path in config_path("looks").glob("*.toml"))
        return {"looks": looks, "formats": FORMATS, "expressions": EXPRESSIONS}

    @app.get("/api/state")
    def state() -> dict:
        return workshop.told()

    @app.post("/api/make")
    def begin(form: Annotated[dict, Depends(_form)]) -> dict:
        photo, voice = form.get("photo"), form.get("voice")
        say, look, consent = (_text(form, name) for name in ("say", "look", "consent"))

        def start() -> None:
            if not isinstance(photo, UploadFile):
                raise InputError("no photo was sent")
            if not consent.strip():
                raise InputError("say who is in the photo and that they agreed")
            if workshop.state.working:
                raise InputError("an avatar is being made; wait for it, or stop it first")
            folder = workshop.new_folder()
            try:
                selfie = _received(photo, "photo", folder / "from")
                sound = _received(voice, "voice", folder / "from") if isinstance(voice, UploadFile) else None
                order = Order(
                    str(folder), str(selfie), str(sound or ""), say.strip(), look=look or "photo", consent=consent,
                    store=str(workshop.store.root),
                )  # fmt: skip
                workshop.start(order)
            except DigitalMeError:
                shutil.rmtree(folder, ignore_errors=True)
                raise

        _or_422(start)
        return workshop.told()

    @app.post("/api/stop")
    def stop() -> dict:
        workshop.stop()
        return {}

    @app.get("/api/stage/{artifact}/preview")
    def preview(artifact: str) -> Response:
        return Response(_or_422(lambda: workshop.preview(artifact)), media_type="image/jpeg")

    @app.get("/api/stage/{artifact}/files")
    def files(artifact: str) -> list[str]:
        return _or_422(lambda: workshop.files_of(artifact))

    @app.get("/api/stage/{artifact}/file/{name}")
    def file(artifact: str, name: str) -> FileResponse:
        return FileResponse(_or_422(lambda: workshop.file_of(artifact, name)))

    @app.post("/api/stage/{artifact}/file/{name}")
    def put(artifact: str, name: str, form: Annotated[dict, Depends(_form)]) -> dict:
        picture = form.get("picture")

        def change() -> None:
            if not isinstance(picture, UploadFile):
                raise InputError("no picture was sent")
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / uploads.stored_name("picture", picture.filename, uploads.PHOTOS)
                uploads.store(path, iter(lambda: picture.file.read(2**20), b""), uploads.LARGEST_PHOTO)
                workshop.replace(artifact, name, path)

        _or_422(change)
        return workshop.told()

    @app.get("/api/avatar")
    def avatar() -> Response:
        return Response(_or_422(workshop.view), media_type="model/gltf-binary")

    @app.get("/api/performance")
    def performance() -> dict:
        return _or_422(workshop.performance)

    @app.post("/api/export")
    def export(format: Annotated[str, Body(embed=True)]) -> list[str]:
        return _or_422(lambda: workshop.export(format))

    @app.get("/out/{name}")
    def out(name: str, save: bool = False) -> FileResponse:
        path = _or_422(lambda: workshop.output(name))
        # a report is a page of its own: it is only ever saved, so that it cannot ask this server for anything
        saved = save or path.suffix == ".html"
        return FileResponse(path, filename=path.name if saved else None)

    @app.websocket("/ws")
    async def tell(socket: WebSocket) -> None:
        await socket.accept()
        number = -1
        try:
            while True:
                if workshop.state.number != number:
                    told = workshop.told()
                    number = told["number"]
                    await socket.send_json(told)
                await asyncio.sleep(0.15)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page was closed

    app.add_middleware(Guard)
    return app
