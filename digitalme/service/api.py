"""`digitalme serve`: avatars as a service. FastAPI in front, the queue and its crew behind.

Who has a token has jobs, files and a store of their own, in a folder of their own; nobody sees another's. Limits stand
before the application: how large a body may be, how long it may take, how often one may ask, how many may wait.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import shutil
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, no_type_check

from digitalme import __version__
from digitalme.errors import InputError, MissingExtraError
from digitalme.paths import config as config_path
from digitalme.service import uploads
from digitalme.service.orders import Order
from digitalme.service.queue import Job, Queue
from digitalme.service.worker import Crew

try:
    from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, Response, UploadFile
    from fastapi import Path as InPath
    from fastapi import Query as InQuery
    from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
    from pydantic import BaseModel
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import UploadFile as Sent
except ModuleNotFoundError as error:
    raise MissingExtraError(f"{error.name} is not installed; for the service: pip install 'digitalme[serve]'") from None

Message = MutableMapping[str, Any]
ANYBODY = "local"
"""Who asks where no tokens are set: then only this computer is served."""
ID = r"^[0-9a-f]{16}$"


@dataclass(frozen=True)
class ServeConfig:
    """How the service is set up."""

    folder: Path
    """Where users' files, stores and the queue are."""
    workers: int = 1
    tokens: dict[str, str] = field(default_factory=dict)
    """SHA-256 of a token to its owner. None: everybody on this computer is one user."""
    largest_body: int = uploads.LARGEST_PHOTO + uploads.LARGEST_VOICE + 2**20
    body_seconds: float = 120.0
    """How long a body may take to come."""
    per_minute: int = 120
    """Requests of one user in a minute."""
    waiting: int = 50
    """Jobs of one user that may wait or run."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "::1", "testserver")
    """Names that the service answers to where no tokens are set, so that no web page can reach it by another name."""


class Problem(BaseModel):
    """What went wrong."""

    detail: Any


class Created(BaseModel):
    """A job that was taken on."""

    id: str


class Told(BaseModel):
    """How a job stands. Times are seconds since 1970, 0 where it has not come to that."""

    id: str
    name: str
    state: str
    stage: str
    part: float
    message: str
    tries: int
    created: float
    started: float
    finished: float
    files: list[str]


class Listing(BaseModel):
    """Jobs, oldest first."""

    jobs: list[Told]
    counts: dict[str, int]


def read_tokens(path: Path) -> dict[str, str]:
    """A file with a line `owner token` for each user; the digests of the tokens to their owners."""
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--tokens {path}: cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or len(words[1]) < 16:
            raise InputError(f"--tokens {path}, line {number}: expected an owner and a token of 16 characters or more")
        found[_digest(words[1])] = words[0]
    if not found:
        raise InputError(f"--tokens {path}: holds no token; expected lines of an owner and a token")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Limits:
    """ASGI: refuses a body that is too large (413) or too slow (408) before anything is made of it."""

    def __init__(self, app: Callable[..., Awaitable[None]], largest: int, seconds: float) -> None:
        self.app, self.largest, self.seconds = app, largest, seconds

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > self.largest:
            await self._refuse(send, 413, f"at most {self.largest >> 20} MB are taken")
            return
        import asyncio

        size, ends, answered, over = 0, time.monotonic() + self.seconds, False, ""

        async def limited() -> Message:
            nonlocal size, over
            try:
                message = await asyncio.wait_for(receive(), None if answered else max(ends - time.monotonic(), 0.01))
            except TimeoutError:
                over = "408"
                raise _OverError from None
            size += len(message.get("body", b""))
            if size > self.largest:
                over = "413"
                raise _OverError
            if message["type"] == "http.request" and not message.get("more_body"):
                ends_now()
            return message

        def ends_now() -> None:
            nonlocal ends
            ends = float("inf")

        async def answering(message: Message) -> None:
            nonlocal answered
            if over and not answered:
                return  # what the application makes of a body that broke off
            answered = True
            await send(message)

        try:
            await self.app(scope, limited, answering)
        except _OverError:
            pass
        except BaseException:
            if not over:
                raise
        if over and not answered:
            text = "the body took too long" if over == "408" else f"at most {self.largest >> 20} MB are taken"
            await self._refuse(send, int(over), text)

    async def _refuse(self, send: Callable, status: int, why: str) -> None:
        import json

        body = json.dumps({"detail": why}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _OverError(Exception):
    """A body went over a limit."""


class Service:
    """The state behind the application: queue, crew, counters."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.queue = Queue(config.folder / "queue.sqlite")
        self.crew = Crew(self.queue, max(config.workers, 1))
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self.uploaded = 0
        self._asked: dict[str, list[float]] = defaultdict(list)
        self._coming: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Let the crew work, in a thread; what a service that was killed held waits again."""
        if self.config.workers > 0:
            self.queue.take_back(seconds=-1)
            threading.Thread(target=self._keep, name="crew", daemon=True).start()

    def _keep(self) -> None:
        while not self._ended.is_set():
            with suppress(sqlite3.Error):  # a full disk, a lock that was held too long: the next time, then
                self.crew.keep()
            self._ended.wait(0.5)

    def stop(self) -> None:
        self._ended.set()
        self.crew.stop()

    def may_ask(self, owner: str) -> bool:
        """Count a request; whether it is within the owner's rate (a sliding minute)."""
        now = time.monotonic()
        with self._lock:
            recent = self._asked[owner] = [when for when in self._asked[owner] if now - when < 60]
            if len(recent) >= self.config.per_minute:
                return False
            recent.append(now)
            return True

    @contextmanager
    def place(self, owner: str) -> Iterator[Callable[[Order, str, str], None] | None]:
        """One of an owner's places in the queue, kept while an upload is looked at: what fills it (order, name, id).

        None where there is no place. Uploads that come at the same time count, too: else a hundred at once would all
        find the last place free.
        """
        with self._lock:
            counts = self.queue.counts(owner)
            coming = counts["waiting"] + counts["running"] + self._coming[owner] < self.config.waiting
            self._coming[owner] += coming

        def fill(order: Order, name: str, id: str) -> None:
            nonlocal coming
            with self._lock:
                self.queue.add(order, owner, name, id)
                self._coming[owner] -= 1
                coming = False

        try:
            yield fill if coming else None
        finally:
            with self._lock:
                self._coming[owner] -= coming

    def home(self, owner: str) -> Path:
        """The folder of a user, named by a digest: a name leads nowhere."""
        return self.config.folder / "users" / _digest(owner)[:24]

    def job_folder(self, owner: str, id: str) -> Path:
        return self.home(owner) / "jobs" / id

    def files(self, job: Job) -> list[str]:
        out = Path(job.order.out)
        if job.state != "done" or not out.is_dir():
            return []
        return sorted(path.name for path in out.iterdir() if path.is_file() and not path.is_symlink())

    def tell(self, job: Job) -> Told:
        return Told(
            id=job.id, name=job.name, state=job.state, stage=job.stage, part=job.part, message=job.message,
            tries=job.tries, created=job.created, started=job.started, finished=job.finished, files=self.files(job),
        )  # fmt: skip

    def metrics(self) -> str:
        """Prometheus' text format."""
        lines = ["# TYPE digitalme_jobs gauge"]
        lines += [f'digitalme_jobs{{state="{state}"}} {count}' for state, count in self.queue.counts().items()]
        lines += ["# TYPE digitalme_workers gauge", f"digitalme_workers {len(self.crew.members)}"]
        lines += ["# TYPE digitalme_worker_deaths_total counter", f"digitalme_worker_deaths_total {self.crew.deaths}"]
        lines += ["# TYPE digitalme_uploaded_bytes_total counter", f"digitalme_uploaded_bytes_total {self.uploaded}"]
        lines.append("# TYPE digitalme_requests_total counter")
        with self._lock:
            for (method, route, status), count in sorted(self.requests.items()):
                lines.append(f'digitalme_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}')
            lines.append("# TYPE digitalme_request_seconds_total counter")
            for route, spent in sorted(self.seconds.items()):
                lines.append(f'digitalme_request_seconds_total{{route="{route}"}} {spent:.4f}')
        return "\n".join(lines) + "\n"

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self.requests[method if method in _METHODS else "OTHER", route, status] += 1
            self.seconds[route] += seconds


_METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "not understood"), (401, "no valid token"), (404, "no such job or file of yours"), (408, "too slow"),
        (413, "too large"), (421, "this name is not served"), (422, "cannot be used"), (429, "too often, or too many"),
    )
}  # fmt: skip


def owner(request: Request) -> str:
    """Who asks: by `Authorization: Bearer TOKEN`."""
    service: Service = request.app.state.service
    config = service.config
    if not config.tokens:
        host = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]")
        if host not in config.hosts:
            raise HTTPException(421, "without tokens only this computer is served")
        found = ANYBODY
    else:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        given, found = _digest(token.strip()), ""
        for digest, who in config.tokens.items():
            if kind.lower() == "bearer" and hmac.compare_digest(digest, given):
                found = who
        if not found:
            raise HTTPException(401, "expected Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
    if not service.may_ask(found):
        raise HTTPException(429, f"more than {config.per_minute} requests a minute", {"Retry-After": "60"})
    return found


Owner = Annotated[str, Depends(owner)]
Id = Annotated[str, InPath(pattern=ID)]


def application(config: ServeConfig) -> FastAPI:
    """The web application; its OpenAPI document is at /openapi.json, for people at /docs."""
    service = Service(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await run_in_threadpool(service.stop)

    app = FastAPI(
        title="digitalme", version=__version__, lifespan=lifespan, responses=_PROBLEMS,
        summary="From one photo and one voice clip to a rigged avatar and a talking-head video.",
    )  # fmt: skip
    app.state.service = service

    @app.middleware("http")
    async def measured(request: Request, call_next: Callable) -> Response:
        begin = time.perf_counter()
        response = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "none")
        service.count(request.method, route, response.status_code, time.perf_counter() - begin)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    app.add_middleware(Limits, largest=config.largest_body, seconds=config.body_seconds)

    @app.exception_handler(InputError)
    async def unusable(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    def own(id: str, who: str) -> Job:
        job = service.queue.get(id)
        if job is None or job.owner != who:
            raise HTTPException(404, "no such job of yours")
        return job

    @app.post("/v1/jobs", status_code=202)
    @no_type_check  # FastAPI hands over an UploadFile that is not of the class it asks to be named
    def create(
        who: Owner,
        selfie: Annotated[UploadFile, File(description="A photo of one person.")],
        consent: Annotated[str, Form(min_length=3, max_length=2000, description="Who it is, and what they agreed to.")],
        voice: Annotated[UploadFile | None, File(description="A clip of speech.")] = None,
        say: Annotated[str, Form(max_length=5000, description="What is said.")] = "",
        look: Annotated[str, Form(max_length=40)] = "photo",
        name: Annotated[str, Form(max_length=200)] = "",
    ) -> Created:
        """Order an avatar of a photo. It is made when its turn comes; GET /v1/jobs/{id} tells how it stands."""
        looks = sorted(path.stem for path in config_path("looks").glob("*.toml"))
        if look not in looks:
            raise InputError(f"no look {look!r}; there are: {', '.join(looks)}")
        with service.place(who) as fill:
            if fill is None:
                raise HTTPException(429, f"{config.waiting} jobs of yours wait already", {"Retry-After": "60"})
            return Created(id=take(fill, who, selfie, consent, voice, say, look, name))

    @no_type_check
    def take(fill, who, selfie, consent, voice, say, look, name) -> str:
        id = secrets.token_hex(8)
        folder = service.job_folder(who, id)
        folder.mkdir(mode=0o700, parents=True)
        try:
            photo = _keep(folder, "selfie", selfie, uploads.PHOTOS, uploads.LARGEST_PHOTO)
            uploads.check_photo(photo)
            sound = None
            if voice is not None and (voice.filename or voice.size):
                sound = _keep(folder, "voice", voice, uploads.VOICES, uploads.LARGEST_VOICE)
                uploads.check_voice(sound)
            if not consent.strip() or consent.strip().endswith(".json"):
                raise InputError("consent: expected who it is, and what they agreed to, in words")
            order = Order(
                out=str(folder / "out"), selfie=str(photo), voice=str(sound or ""), say=say.strip(), look=look,
                consent=consent.strip(), store=str(service.home(who) / "store"),
            )  # fmt: skip
            service.uploaded += sum(path.stat().st_size for path in folder.iterdir())
            fill(order, name, id)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return id

    @app.get("/v1/jobs")
    def listing(
        who: Owner,
        limit: Annotated[int, InQuery(ge=1, le=200)] = 50,
        offset: Annotated[int, InQuery(ge=0, le=10**9)] = 0,
    ) -> Listing:
        """Your jobs."""
        jobs = [service.tell(job) for job in service.queue.jobs(who, limit, offset)]
        return Listing(jobs=jobs, counts=service.queue.counts(who))

    @app.get("/v1/jobs/{id}")
    def one(id: Id, who: Owner) -> Told:
        """How a job of yours stands."""
        return service.tell(own(id, who))

    @app.delete("/v1/jobs/{id}", status_code=204)
    def delete(id: Id, who: Owner) -> None:
        """Stop a job of yours, and remove all of it: what was sent, what was made, what the store keeps of it."""
        job = own(id, who)
        service.queue.cancel(job.id)
        _forget(Path(job.order.out))
        service.queue.remove(job.id)
        shutil.rmtree(service.job_folder(who, job.id), ignore_errors=True)

    @app.get("/v1/jobs/{id}/files/{name}", response_class=FileResponse)
    def file(id: Id, name: Annotated[str, InPath(max_length=200)], who: Owner) -> FileResponse:
        """A file that was made."""
        job = own(id, who)
        if name not in service.files(job):  # a listed name, so that no path can be sent
            raise HTTPException(404, "no such file of this job")
        return FileResponse(Path(job.order.out) / name, filename=name)

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the service is up, and its queue can be read."""
        service.queue.counts()
        return {"status": "ok", "version": __version__}

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics(who: Owner) -> PlainTextResponse:
        """For Prometheus."""
        return PlainTextResponse(service.metrics(), media_type="text/plain; version=0.0.4")

    return app


def _keep(folder: Path, kind: str, sent: Sent, suffixes: tuple[str, ...], largest: int) -> Path:
    path = folder / uploads.stored_name(kind, sent.filename, suffixes)
    uploads.store(path, iter(lambda: sent.file.read(1 << 20), b""), largest)
    return path


def _forget(out: Path) -> None:
    """Remove what the user's store keeps of a build."""
    from digitalme.forget import forget
    from digitalme.product import Built

    try:
        built = Built.read(out)
    except InputError:
        return
    forget(built.store, built.keys.values())


def serve(config: ServeConfig, host: str, port: int, root_path: str = "") -> None:
    """Serve until interrupted. Without tokens only this computer is served."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    if not config.tokens and host not in ("127.0.0.1", "localhost", "::1"):
        raise InputError(f"--host {host} is seen by others: give --tokens FILE with a line `owner token` for each user")
    os.environ["DIGITALME_REQUIRE_CONSENT"] = "1"
    options = uvicorn.Config(
        application(config), host=host, port=port, root_path=root_path, http=patient(H11Protocol), ws="none",
        timeout_keep_alive=5, limit_concurrency=500, h11_max_incomplete_event_size=16_384, server_header=False,
        proxy_headers=True, forwarded_allow_ips="127.0.0.1", log_level="warning", timeout_graceful_shutdown=10,
    )  # fmt: skip
    uvicorn.Server(options).run()


HEADER_SECONDS = 10.0
"""How long a request's header may take to come."""


def patient(protocol: type) -> type:
    """A protocol of uvicorn's that closes a connection whose header does not end in time (slow loris)."""

    class Patient(protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self._alarm = self.loop.call_later(HEADER_SECONDS, self._late)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            busy = self.cycle is not None and not self.cycle.response_complete
            if busy and self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            elif not busy and self._alarm is None:
                self._alarm = self.loop.call_later(HEADER_SECONDS, self._late)

        def connection_lost(self, exc) -> None:
            if self._alarm is not None:
                self._alarm.cancel()
            super().connection_lost(exc)

        def _late(self) -> None:
            self._alarm = None
            if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
                self.transport.close()

    return Patient
