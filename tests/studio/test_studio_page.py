"""The studio: its workshop with a maker that is quick, its server's refusals, and the whole path in Chromium."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason='fastapi is not installed; pip install "digitalme[studio]"')
pytest.importorskip("httpx2", reason="httpx2 is not installed")

from fastapi.testclient import TestClient
from PIL import Image

from digitalme.artifacts.files import read_png, write_png
from digitalme.audio.files import read_voice
from digitalme.demo import demo_photo, demo_voice
from digitalme.errors import InputError
from digitalme.events import Event
from digitalme.service.orders import Order
from digitalme.studio.studio_app import open_studio, studio_app
from digitalme.studio.workshop import Workshop
from tests.studio.conftest import serving, until


class Maker:
    """Hands one avatar over; waits to be let go where it is told to."""

    def __init__(self, avatar, store):
        self.avatar, self.store = avatar, store
        self.orders: list[Order] = []
        self.go = threading.Event()
        self.go.set()
        self.error = None

    def __call__(self, order, on_event):
        self.orders.append(order)
        on_event(Event("avatar", "started"))
        on_event(Event("avatar", "progress", 1, 4))
        assert self.go.wait(30)
        on_event(Event("avatar", "progress", 2, 4))
        if self.error:
            raise self.error
        key = self.store.save(self.avatar, {"stage": "groom"})
        on_event(Event("avatar", "finished", seconds=1.5, key=key))
        (Path(order.out) / "avatar.glb").write_bytes(b"glTF")
        (Path(order.out) / "report.html").write_text("<script>alert(1)</script>")
        return {"avatar": key}


@pytest.fixture
def workshop(avatar, tmp_path):
    made = Workshop(tmp_path / "studio", tmp_path / "store")
    made._maker = Maker(avatar, made.store)
    return made


@pytest.fixture
def client(workshop):
    with TestClient(studio_app(workshop), base_url="http://127.0.0.1:7860") as made:
        yield made


def png(size=64, value=200) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(out, "png")
    return out.getvalue()


def make(client, **form):
    form = {"consent": "me; I agree", "say": "hello", **form}
    return client.post("/api/make", data=form, files={"photo": ("me.png", png(), "image/png")})


def step(client, artifact):
    return next(each for each in client.get("/api/state").json()["steps"] if each["artifact"] == artifact)


def test_from_upload_to_download(client, workshop):
    workshop._maker.go.clear()
    assert make(client, look="studio").json()["working"]
    while step(client, "avatar")["part"] != 0.25:
        pass
    assert step(client, "avatar")["state"] == "working"
    assert make(client).status_code == 422, "one at a time"
    workshop._maker.go.set()
    workshop.wait(30)
    order = workshop._maker.orders[0]
    assert (order.look, order.say, order.consent) == ("studio", "hello", "me; I agree")
    assert Path(order.selfie).read_bytes() == png()
    assert Path(order.selfie).name == "photo.png"
    told = client.get("/api/state").json()
    assert (told["working"], told["error"], told["made"]) == (False, "", 1)
    assert step(client, "avatar")["state"] == "finished"
    assert told["files"] == ["avatar.glb", "report.html"]
    assert client.get("/out/avatar.glb").content == b"glTF"
    assert "attachment" in client.get("/out/report.html").headers["content-disposition"]
    preview = client.get("/api/stage/avatar/preview")
    assert Image.open(io.BytesIO(preview.content)).size[0] > 100
    assert client.get("/api/avatar").content[:4] == b"glTF"


def test_a_picture_is_replaced_and_it_goes_on_from_there(client, workshop):
    make(client)
    workshop.wait(30)
    assert "texture_head.png" in client.get("/api/stage/avatar/files").json()
    before = read_png(workshop.file_of("avatar", "texture_head.png"))
    address = "/api/stage/avatar/file/texture_head.png"
    sent = {"picture": ("painted.png", png(32, 77), "image/png")}
    assert client.post(address, files=sent).json()["working"]
    workshop.wait(30)
    used = workshop._maker.orders[1].use
    painted = read_png(Path(used["avatar"]))
    assert Path(used["avatar"]).name == "texture_head.png"
    assert painted.shape == before.shape, "it is brought to the size that it replaces"
    assert (painted == 77).all()
    assert step(client, "avatar")["state"] == "given"


def test_stop(client, workshop):
    workshop._maker.go.clear()
    make(client)
    assert client.post("/api/stop").status_code == 200
    workshop._maker.go.set()
    workshop.wait(30)
    told = client.get("/api/state").json()
    assert (told["working"], told["error"], told["made"]) == (False, "", 0)
    assert make(client).json()["working"]
    workshop.wait(30)


def test_a_failure_is_told(client, workshop):
    workshop._maker.error = InputError("no face in it")
    make(client)
    workshop.wait(30)
    told = client.get("/api/state").json()
    assert (told["working"], told["error"]) == (False, "no face in it")
    assert step(client, "avatar")["state"] == "failed"


@pytest.mark.parametrize(
    ("form", "photo", "text"),
    [
        ({"consent": " "}, ("me.png", png()), "agreed"),
        ({}, ("me.exe", png()), "expected one of"),
        ({}, ("me.png", b"not a picture"), "photo"),
        ({}, ("me.png", b""), "empty"),
        ({"look": "oil"}, ("me.png", png()), "no look 'oil'"),
    ],
)
def test_what_cannot_be_made(client, workshop, monkeypatch, form, photo, text):
    workshop._maker = lambda order, on_event: order.carry_out(on_event)
    answer = client.post("/api/make", data={"consent": "me", **form}, files={"photo": photo})
    workshop.wait(30)
    told = answer.json().get("detail") or client.get("/api/state").json()["error"]
    assert text in told
    if answer.status_code == 422:
        assert not list(workshop.root.glob("*/from/*")), "nothing is kept"


def test_too_large(client):
    answer = client.post("/api/make", headers={"content-length": str(10**9)}, content=b"")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/out/../../etc/passwd", "/out/..%2f..%2fetc%2fpasswd", "/out/avatar.vrm", "/out/from", "/api/stage/nose/preview",
     "/api/stage/avatar/file/avatar.json", "/api/stage/avatar/file/..%2f..%2fx.png", "/api/stage/portrait/files"],
)  # fmt: skip
def test_other_files_are_not_given(client, workshop, path):
    make(client)
    workshop.wait(30)
    assert client.get(path).status_code in (404, 422)


def test_others_pages_are_refused(client):
    assert make(client).status_code == 200
    evil = {"origin": "http://evil.example"}
    for method, path in (
        ("post", "/api/make"),
        ("post", "/api/stop"),
        ("get", "/api/state"),
        ("get", "/out/avatar.glb"),
    ):
        assert getattr(client, method)(path, headers=evil).status_code == 403


def test_the_page_is_told_of_each_change(client, workshop):
    with client.websocket_connect("ws://127.0.0.1:7860/ws") as socket:
        assert not socket.receive_json()["steps"]
        make(client)
        while (told := socket.receive_json())["working"] or not told["made"]:
            pass
        assert told["files"]


# ---- in the browser ------------------------------------------------------------------------------------------------


def screenshot(page, name):
    """Kept where $DIGITALME_SCREENSHOTS says, for the documentation."""
    if folder := os.environ.get("DIGITALME_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.slow
def test_the_whole_path(page, demo_folder, tmp_path):
    """The real thing: upload, watch, turn, move, play, download, paint on the portrait and let it go on from there."""
    with serving(open_studio(tmp_path / "out", demo_folder)) as address:
        page.goto(address)
        page.add_style_tag(content="#stage { width: 300px; height: 300px; aspect-ratio: auto }")
        page.set_input_files("#photo", str(demo_photo()))
        clip, words = demo_voice()
        page.set_input_files("#voice", str(clip))
        page.fill("#say", words)
        page.click("#make")
        until(page, "document.getElementById('status').className === 'bad'")  # who is it?
        page.fill("#consent", "NASA's portrait, in the public domain")
        page.keyboard.press("Enter")
        until(page, "document.querySelectorAll('#stages li').length > 5")
        until(page, "document.querySelector('#stages img')?.naturalWidth > 0", 300)
        until(page, "!document.getElementById('result').hidden", 500)
        page.wait_for_selector("canvas[data-loaded]")
        page.locator("#stage").scroll_into_view_if_needed()  # what is out of sight is not drawn
        until(page, "viewer.spent.length > 1", 120)
        screenshot(page, "studio")
        states = page.evaluate("[...document.querySelectorAll('#stages li')].map((item) => item.dataset.state)")
        assert set(states) <= {"finished", "kept"}
        assert page.evaluate("document.getElementById('video').duration") > 2

        still = page.evaluate("viewer.canvas.toDataURL()")
        slider = page.locator("input[data-morph=jawOpen]")
        slider.evaluate("(s) => { s.valueAsNumber = 0.8; s.dispatchEvent(new Event('input')) }")
        until(page, "viewer.shown('jawOpen') === 0.8", 120)
        drawn = page.evaluate("viewer.spent.length")
        until(page, f"viewer.spent.length > {drawn} + 1", 120)
        assert page.evaluate("viewer.canvas.toDataURL()") != still
        page.evaluate("viewer.drawing = false")

        with page.expect_download() as download:
            page.click("#files a[download='avatar.glb']")
        assert Path(download.value.path()).read_bytes()[:4] == b"glTF"
        page.click("[data-format=vrm]")
        until(page, "!!document.querySelector(\"#files a[download='avatar.vrm']\")", 200)

        # the photo's upper left corner is painted: the stages behind it are made again
        workshop_portrait = next((tmp_path / "out").glob("*/portrait.png"))
        painted = read_png(workshop_portrait).copy()
        painted[:40, :40] = (255, 0, 255)
        write_png(tmp_path / "painted.png", painted)
        page.get_by_role("button", name="Open: portrait").click()
        page.set_input_files("[data-replaces='portrait.png']", str(tmp_path / "painted.png"))
        until(page, "[...document.querySelectorAll('#stages li')].some((i) => i.dataset.state === 'given')", 500)
        again = read_png(next((tmp_path / "out").glob("*/portrait.png")))
        assert (again[:40, :40] == (255, 0, 255)).all()
        page.goto("about:blank")


@pytest.mark.slow
def test_a_selfie_by_camera_and_a_recorded_voice(page, workshop):
    """Chromium's own camera and microphone, which show and sound something: both come to the maker as files."""
    page.context.grant_permissions(["camera", "microphone"])
    with serving(studio_app(workshop)) as address:
        page.goto(address)
        page.wait_for_selector("#looks input")
        page.click("#camera")
        until(page, "document.getElementById('camera-shown').videoWidth > 0")
        page.click("#camera")
        until(page, "document.getElementById('photo-shown').naturalWidth > 100")
        assert page.is_hidden("#lens")
        page.click("#record")
        until(page, "/\\d:\\d\\d/.test(document.getElementById('record').textContent)")
        page.wait_for_timeout(1200)
        page.click("#record")
        until(page, "!document.getElementById('voice-shown').hidden")
        page.click("#consent-me")
        page.click("#make")
        until(page, "!document.getElementById('result').hidden", 60)
        page.evaluate("viewer.drawing = false")
        page.goto("about:blank")
    order = workshop._maker.orders[0]
    with Image.open(order.selfie) as selfie:
        assert selfie.size[0] > 100
    assert read_voice(Path(order.voice)).seconds > 0.5
    assert "agree" in order.consent


@pytest.mark.slow
def test_what_is_missing_is_said_where_it_is_missing(page, workshop):
    with serving(studio_app(workshop)) as address:
        page.goto(address)
        page.wait_for_selector("#looks input")
        focused = "document.activeElement.id"
        page.click("#make")
        assert page.evaluate(focused) == "photo"
        assert page.get_attribute("#photo", "aria-invalid") == "true"
        page.set_input_files("#photo", {"name": "me.png", "mimeType": "image/png", "buffer": png()})
        assert page.get_attribute("#photo", "aria-invalid") is None
        page.click("#make")
        assert page.evaluate(focused) == "consent"
        assert "agreed" in page.inner_text("#status")
        page.click("#language")
        assert "同意" in page.inner_text("#status")
        page.click("#language")
        page.keyboard.press("Home")
        workshop._maker.error = InputError("no face in it")
        page.fill("#consent", "me")
        page.keyboard.press("Enter")
        until(page, "document.getElementById('status').textContent === 'no face in it'")
        assert page.get_attribute("#stages li", "data-state") is not None
        # nothing that can be pressed is without a name
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input, textarea, select')].filter((e) => !(e.ariaLabel"
            " || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map((e) => e.id || e.outerHTML)"
        )
        assert nameless == []
        page.goto("about:blank")


@pytest.mark.slow
def test_narrow_dark_and_chinese(browser, workshop, tmp_path):
    """A phone's width holds the page; the theme follows the system and a button; all words have both languages."""
    context = browser.new_context(viewport={"width": 375, "height": 780}, color_scheme="dark", locale="zh-CN")
    page = context.new_page()
    with serving(studio_app(workshop)) as address:
        page.goto(address)
        page.wait_for_selector("#looks input")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.inner_text("#make") == "开始制作"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        screenshot(page, "studio-phone")
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        page.click("#language")
        assert page.inner_text("#make") == "Make it"
        untold = page.evaluate(
            "[...document.querySelectorAll('[data-word]:not([data-word-in])')]"
            ".filter((e) => /[a-z][A-Z]/.test(e.textContent)).map((e) => e.textContent)"
        )
        assert untold == []
        # the keyboard alone: from the top of the page to the choice of a look and the button
        seen = []
        for _ in range(16):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
        wanted = ["photo", "record", "voice", "say", "look", "consent", "make"]
        assert list(dict.fromkeys(each for each in seen if each in wanted)) == wanted
    context.close()
