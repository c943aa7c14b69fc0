"""Remakes docs/studio.jpg: `python tools/picture_studio.py docs/studio.jpg [--store FOLDER]`.

The demo's avatar is made in the page by the real stages: the page before, while and after, a stage looked into, and on
a phone, dark and Chinese. Needs Chromium, playwright, the built page, and a font with Chinese characters.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from digitalme.demo import demo_photo, demo_voice

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HEIGHT, GAP = 600, 14
"""Of a row of the sheet, and between its pictures; pixels."""
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


def shot(page: Any) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def wait(page: Any, condition: str, seconds: float = 900) -> None:
    """Until a condition holds in the page (whose own policy forbids eval, which Playwright's way needs)."""
    ends = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > ends:
            raise TimeoutError(condition)
        page.wait_for_timeout(100)


def on_a_desk(page: Any) -> list[np.ndarray]:
    """Filled in; being made; made; a stage looked into."""
    wait(page, "document.querySelectorAll('#looks img').length > 4")
    clip, words = demo_voice()
    page.set_input_files("#photo", str(demo_photo()))
    page.set_input_files("#voice", str(clip))
    page.fill("#say", words)
    page.fill("#consent", "NASA's portrait, in the public domain")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    shots = [shot(page)]
    page.click("#make")
    wait(page, "[...document.querySelectorAll('#stages img')].filter((each) => each.naturalWidth).length > 2")
    page.evaluate("scrollTo(0, 0)")
    shots.append(shot(page))
    wait(page, "!document.getElementById('result').hidden && !!document.querySelector('canvas[data-loaded]')")
    page.evaluate("viewer.set.mouthSmileLeft = viewer.set.mouthSmileRight = 0.5")
    wait(page, "viewer.spent.length > 3")
    page.evaluate("viewer.drawing = false")
    page.evaluate("document.getElementById('result').scrollIntoView()")
    page.wait_for_timeout(800)
    shots.append(shot(page))
    page.get_by_role("button", name="Open: avatar").click()
    wait(page, "[...document.querySelectorAll('dialog img')].every((each) => each.complete)")
    shots.append(shot(page))
    return shots


def on_a_phone(page: Any) -> list[np.ndarray]:
    """The looks, and the result."""
    wait(page, "!!document.querySelector('canvas[data-loaded]')")
    page.locator("#stage").scroll_into_view_if_needed()  # what is out of sight is not drawn
    wait(page, "viewer.spent.length > 2")
    page.evaluate("viewer.drawing = false")
    shots = []
    for place in (".looks", "#result"):
        page.evaluate(f"scrollTo(0, document.querySelector('{place}').getBoundingClientRect().top + scrollY - 130)")
        page.wait_for_timeout(800)
        shots.append(shot(page))
    return shots


def row_of(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures beside each other, brought to one height, on grey."""
    grey = {"borderType": cv2.BORDER_CONSTANT, "value": (214, 212, 208)}
    row = []
    for each in pictures:
        size = (round(each.shape[1] * HEIGHT / each.shape[0]), HEIGHT)
        row.append(cv2.copyMakeBorder(cv2.resize(each, size, interpolation=cv2.INTER_AREA), GAP, 0, GAP, 0, **grey))
    return cv2.copyMakeBorder(np.hstack(row), 0, 0, 0, GAP, **grey)


def main() -> None:
    import uvicorn
    from playwright.sync_api import sync_playwright

    from digitalme.studio.studio_app import open_studio

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--store", type=Path, help="where artifacts are kept; without it nothing is")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = open_studio(Path(name) / "made", given.store or Path(name) / "store")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        taken = []
        for take, options in (
            (on_a_desk, {"viewport": DESKTOP, "locale": "en-GB"}),
            (on_a_phone, {"viewport": PHONE, "locale": "zh-CN", "color_scheme": "dark"}),
        ):
            page = browser.new_page(**options)
            page.set_default_timeout(300_000)
            page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/")
            taken.append(take(page))
            page.close()
        browser.close()
        server.should_exit = True
    (empty, working, made, stage), phones = taken
    sheet = np.vstack([row_of([empty, working, phones[0]]), row_of([made, stage, phones[1]])])
    Image.fromarray(np.pad(sheet, ((0, GAP), (0, 0), (0, 0)), "edge")).save(given.path, quality=80)


if __name__ == "__main__":
    main()
