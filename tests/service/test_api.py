"""The service: who may see what, what is refused and how, many clients at once, and its OpenAPI document under fire."""

from __future__ import annotations

import asyncio
import io
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
pytest.importorskip("python_multipart")

from fastapi.testclient import TestClient

from digitalme.errors import InputError
from digitalme.service import api
from digitalme.service.api import ServeConfig, application, patient, read_tokens, serve

pytestmark = pytest.mark.filterwarnings("ignore")

ANNA, BEN = {"Authorization": "Bearer " + "a" * 20}, {"Authorization": "Bearer " + "b" * 20}
USERS = {api._digest("a" * 20): "anna", api._digest("b" * 20): "ben"}


def photo() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def client_of(folder: Path, **options) -> TestClient:
    config = ServeConfig(folder, workers=0, **{"tokens": USERS, "per_minute": 10_000, **options})
    return TestClient(application(config), raise_server_exceptions=False)


@pytest.fixture
def client(tmp_path):
    return client_of(tmp_path)


def send(client: TestClient, who=ANNA, name: str = "me.png", data: bytes | None = None, **fields):
    files = {"selfie": (name, photo() if data is None else data)}
    return client.post("/v1/jobs", files=files, data={"consent": "it is me", **fields}, headers=who)


def finish(client: TestClient, id: str) -> Path:
    """As a worker would."""
    queue = client.app.state.service.queue
    job = queue.claim("w")
    assert job.id == id
    out = Path(job.order.out)
    out.mkdir()
    (out / "avatar.glb").write_bytes(b"glTF")
    queue.finish(id, "w")
    return out


def test_a_job_from_upload_to_removal(client, tmp_path):
    made = send(client, say="Hello", name="../../me.png")
    assert made.status_code == 202
    id = made.json()["id"]
    assert client.get(f"/v1/jobs/{id}", headers=ANNA).json()["state"] == "waiting"
    order = client.app.state.service.queue.get(id).order
    assert Path(order.selfie).name == "selfie.png"
    assert Path(order.selfie).read_bytes() == photo()
    assert tmp_path in Path(order.selfie).parents
    finish(client, id)
    told = client.get(f"/v1/jobs/{id}", headers=ANNA).json()
    assert (told["state"], told["files"]) == ("done", ["avatar.glb"])
    assert client.get(f"/v1/jobs/{id}/files/avatar.glb", headers=ANNA).content == b"glTF"
    assert client.delete(f"/v1/jobs/{id}", headers=ANNA).status_code == 204
    assert client.get(f"/v1/jobs/{id}", headers=ANNA).status_code == 404
    left = [path for path in (tmp_path / "users").rglob("*") if path.is_file()]
    assert not any(photo() == path.read_bytes() for path in left)


def test_nobody_sees_another_ones(client):
    id = send(client).json()["id"]
    out = finish(client, id)
    for request in (
        client.get(f"/v1/jobs/{id}", headers=BEN),
        client.get(f"/v1/jobs/{id}/files/avatar.glb", headers=BEN),
        client.delete(f"/v1/jobs/{id}", headers=BEN),
    ):
        assert request.status_code == 404
    assert client.get("/v1/jobs", headers=BEN).json()["jobs"] == []
    assert out.is_dir()
    service = client.app.state.service
    assert service.home("anna") != service.home("ben")
    assert service.home("../..").parent == service.home("anna").parent


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic " + "a" * 20}])
def test_without_a_token(client, headers):
    for request in (
        client.get("/v1/jobs", headers=headers),
        send(client, headers),
        client.get("/metrics", headers=headers),
    ):
        assert request.status_code == 401
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../out/avatar.glb",
        "..%2Fselfie.png",
        "%2e%2e/selfie.png",
        "/etc/passwd",
        "run",
        ".",
        "..",
        "avatar.glb%00",
        "x" * 300,
    ],
)
def test_paths_lead_nowhere(client, name):
    id = send(client).json()["id"]
    finish(client, id)
    for path in (f"/v1/jobs/{id}/files/{name}", f"/v1/jobs/{name}"):
        answer = client.get(path, headers=ANNA)  # a client shortens /x/.. itself: then it is the listing
        assert answer.status_code in (404, 405, 422) or answer.json().keys() & {"id", "jobs"}


def test_what_cannot_be_used_is_refused_and_leaves_nothing(client, tmp_path):
    for request, told in (
        (send(client, data=b"no picture"), "not a picture"),
        (send(client, name="me.exe"), "expected one of"),
        (send(client, data=b""), "empty"),
        (send(client, look="ugly"), "no look"),
        (send(client, consent="   "), "consent"),
        (send(client, consent="/etc/agreed.json"), "consent"),
    ):
        assert request.status_code == 422
        assert told in request.text
        assert str(tmp_path) not in request.text
    assert client.app.state.service.queue.jobs() == []
    assert not any(path.is_file() for path in (tmp_path / "users").rglob("*"))


def test_too_large(tmp_path):
    client = client_of(tmp_path, largest_body=100_000)
    assert send(client, data=bytes(200_000)).status_code == 413

    def pieces():
        for _ in range(300):
            yield b"x" * 1000

    answer = client.post(
        "/v1/jobs", content=pieces(), headers={**ANNA, "Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413
    answer = client.post("/v1/jobs", content=b"x", headers={**ANNA, "Content-Length": "-1"})
    assert answer.status_code in (400, 413)


def test_rate_and_number(tmp_path):
    client = client_of(tmp_path, waiting=2)
    assert [send(client).status_code for _ in range(3)] == [202, 202, 429]
    assert send(client, BEN).status_code == 202
    client = client_of(tmp_path / "other", per_minute=3)
    assert [client.get("/v1/jobs", headers=ANNA).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.get("/v1/jobs", headers=BEN).status_code == 200


def test_another_name_for_this_computer_is_not_served(tmp_path):
    """Without tokens a web page must not reach the service by a name of its own (DNS rebinding)."""
    client = client_of(tmp_path, tokens={})
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/v1/jobs", headers={"Host": "localhost:8321"}).status_code == 200
    assert client.get("/v1/jobs", headers={"Host": "evil.example"}).status_code == 421


def test_only_this_computer_without_tokens(tmp_path):
    with pytest.raises(InputError, match="--tokens"):
        serve(ServeConfig(tmp_path), "0.0.0.0", 1)


def test_tokens_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("# users\nanna aaaaaaaaaaaaaaaaaaaa\n\n")
    assert read_tokens(path) == {api._digest("a" * 20): "anna"}
    for text in ("anna short", "anna", "", "a b c"):
        path.write_text(text)
        with pytest.raises(InputError, match="--tokens"):
            read_tokens(path)


def test_queue_survives_a_restart(tmp_path):
    id = send(client_of(tmp_path)).json()["id"]
    again = client_of(tmp_path)
    assert again.get(f"/v1/jobs/{id}", headers=ANNA).json()["state"] == "waiting"


def test_a_hundred_clients_at_once(client):
    def one(number: int) -> int:
        return send(client, ANNA if number % 2 else BEN).status_code

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(one, range(100)))
    assert answers == [202] * 100
    assert client.app.state.service.queue.counts() == {
        "waiting": 100, "running": 0, "done": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    jobs = client.get("/v1/jobs?limit=200", headers=BEN).json()["jobs"]
    assert len({job["id"] for job in jobs}) == 50


def test_uploads_at_once_do_not_pass_the_limit(tmp_path):
    client = client_of(tmp_path, waiting=5)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: send(client).status_code, range(40)))
    assert sorted(answers) == [202] * 5 + [429] * 35
    refused = send(client, BEN, data=b"no picture")
    assert refused.status_code == 422
    assert [send(client, BEN).status_code for _ in range(6)] == [202] * 5 + [429], "what was refused takes no place"


def test_a_queue_that_cannot_be_read_for_a_while(tmp_path, monkeypatch):
    """The crew's keeper goes on: a database is locked, or a disk full, and then not any more."""
    service = api.Service(ServeConfig(tmp_path, workers=1))
    kept = threading.Event()

    def keep():
        if not hasattr(keep, "failed"):
            keep.failed = True
            raise sqlite3.OperationalError("database is locked")
        kept.set()

    monkeypatch.setattr(service.crew, "keep", keep)
    service.start()
    assert kept.wait(10)
    service.stop()


def test_metrics(client):
    send(client)
    client.get("/v1/jobs/" + "0" * 16, headers=ANNA)
    lines = client.get("/metrics", headers=ANNA).text.splitlines()
    assert 'digitalme_jobs{state="waiting"} 1' in lines
    assert 'digitalme_requests_total{method="GET",route="/v1/jobs/{id}",status="404"} 1' in lines
    assert "digitalme_uploaded_bytes_total " + str(len(photo())) in lines


@pytest.fixture
def listening(tmp_path, monkeypatch):
    """The service on a real socket, with little patience."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    monkeypatch.setattr(api, "HEADER_SECONDS", 0.6)
    app = application(ServeConfig(tmp_path, workers=0, tokens=USERS, body_seconds=0.8))
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=patient(H11Protocol), ws="none", log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def test_slow_loris(listening):
    """Headers, or a body, that come byte by byte: cut off, while others are served."""

    def drip(head: bytes, seconds: float) -> tuple[bytes, float]:
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", listening), timeout=30) as line:
            line.sendall(head)
            line.settimeout(0.1)
            answer = b""
            while time.monotonic() - begin < seconds:
                try:
                    line.sendall(b"x")
                    piece = line.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                answer += piece
                if not piece:
                    break
            return answer, time.monotonic() - begin

    slow = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + ANNA["Authorization"].encode()
    body = slow + b"\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n"
    body += b'--x\r\nContent-Disposition: form-data; name="consent"\r\n\r\n'
    with ThreadPoolExecutor(22) as pool:
        heads = [pool.submit(drip, b"GET /health HTTP/1.1\r\nX-Slow: ", 20) for _ in range(20)]
        bodies = [pool.submit(drip, body, 20) for _ in range(2)]
        time.sleep(0.3)
        with socket.create_connection(("127.0.0.1", listening), timeout=10) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200")
        assert all(future.result()[1] < 15 for future in heads)
        for future in bodies:
            answer, took = future.result()
            assert answer.startswith(b"HTTP/1.1 408")
            assert took < 15


@pytest.mark.slow
@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_openapi_document(tmp_path):
    """What the document promises is what comes, whatever is sent: no 5xx, no status or body that it tells not of."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    few = settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
    client = client_of(tmp_path, per_minute=10**9, waiting=10**9)
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    checks = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @few
        def try_one(case):
            response = case.call(headers=ANNA)
            seen.add(response.status_code)
            case.validate_response(response, checks=checks)

        try_one()
    assert seen & {200, 202}
    assert max(seen) < 500
