"""Only this computer's own pages and programs are answered."""

import pytest

fastapi = pytest.importorskip("fastapi", reason='fastapi is not installed; pip install "digitalme[studio]"')
pytest.importorskip("httpx2", reason="httpx2 is not installed")

from fastapi.testclient import TestClient  # noqa: E402
from starlette.websockets import WebSocketDisconnect  # noqa: E402

from digitalme.studio.guard import HEADERS, Guard, is_own  # noqa: E402


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("127.0.0.1:7861", None, True),
        ("localhost:7861", "http://localhost:7861", True),
        ("[::1]:7861", "http://[::1]:7861", True),
        ("127.0.0.1", "http://127.0.0.1", True),
        ("127.0.0.1:7861", "http://127.0.0.1:7861", True),
        ("127.0.0.1:7861", "http://127.0.0.1:7860", False),
        ("127.0.0.1:7861", "http://evil.example", False),
        ("127.0.0.1:7861", "https://127.0.0.1:7861", False),
        ("127.0.0.1:7861", "null", False),
        ("127.0.0.1:7861", "", False),
        ("evil.example", None, False),
        ("evil.example:7861", "http://evil.example:7861", False),
        ("127.0.0.1.evil.example", None, False),
        ("127.0.0.1@evil.example", None, False),
        ("evil.example@127.0.0.1", None, False),
        ("127.0.0.1:port", None, False),
        ("", None, False),
        ("[::1", None, False),
    ],
)
def test_own_addresses(host, origin, own):
    assert is_own(host, origin) is own


@pytest.fixture
def client():
    app = fastapi.FastAPI()

    @app.get("/")
    def root():
        return "hello"

    @app.websocket("/ws")
    async def talk(socket: fastapi.WebSocket):
        await socket.accept()
        await socket.send_text("hello")

    app.add_middleware(Guard)
    with TestClient(app, base_url="http://127.0.0.1:7861") as made:
        yield made


def test_own_pages_are_answered_with_headers(client):
    answer = client.get("/")
    assert answer.json() == "hello"
    assert HEADERS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}])
def test_others_are_refused(client, headers):
    assert client.get("/", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=headers) as socket:
        socket.receive_text()


def test_own_web_sockets(client):
    with client.websocket_connect("ws://127.0.0.1:7861/ws", headers={"origin": "http://127.0.0.1:7861"}) as socket:
        assert socket.receive_text() == "hello"
