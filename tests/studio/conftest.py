"""A server in a thread, the built pages, and Debian's Chromium through Playwright."""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from digitalme.body.character import base_avatar
from digitalme.studio import viewer

SOURCES = Path(__file__).parents[2] / "tools" / "viewer"
SETUP = "run tools/setup_clients.sh to have this test"
ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="session")
def pages():
    """The pages, built from the sources as they are."""
    if (SOURCES / "node_modules" / "esbuild").is_dir() and shutil.which("node"):
        done = subprocess.run(["node", "build.mjs"], cwd=SOURCES, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    elif not viewer.is_built():
        pytest.skip(f"the pages are not built (npm); {SETUP}")
    return viewer.STATIC


@pytest.fixture(scope="session")
def browser(pages):
    sync_api = pytest.importorskip("playwright.sync_api", reason=f"playwright is not installed; {SETUP}")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(f"chromium is not installed; {SETUP}")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser):
    """A tab; the test fails where its page complains."""
    context = browser.new_context(viewport={"width": 1100, "height": 850}, locale="en-GB")
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    answered = "status of 422"  # what is missing in a form is asked for; Chromium logs that as an error

    def heard(message):
        if message.type == "error" and answered not in message.text:
            complaints.append(message.text)

    tab.on("console", heard)
    yield tab
    context.close()
    assert not complaints


def until(page, condition: str, seconds: float = 60) -> None:
    """Wait for a condition in a page. (Playwright's own way needs eval, which our pages forbid.)"""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never: {condition}"
        page.wait_for_timeout(50)


@contextmanager
def serving(app):
    """The address of an app that is served by a thread."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="session")
def avatar():
    """The body alone, painted: small, quick to load, with all its morphs."""
    albedo = np.full((128, 128, 3), (205, 160, 138), np.uint8)
    return base_avatar({"gender-": 0.6, "age+": 0.2}, name="test", head_albedo=albedo)
