"""The watermark under attack: peak, bit accuracy and picture quality, and how far unmarked pictures stay below.

    python tools/bench/watermark.py

Pictures: those that scikit-image ships. The videos: the first of them with its middle swaying before a still
background, as a talking head does; and, harder than what we make, panned as a whole.
"""

from __future__ import annotations

import io
import time

import av
import cv2
import numpy as np
import skimage.data

from digitalme.trust.watermark import VIDEO_PSNR_DB, apply_layer, detect, mark, mark_layer

PAYLOAD = 0xA5C3F01E
NAMES = ("astronaut", "coffee", "chelsea", "rocket")


def pictures() -> dict[str, np.ndarray]:
    found = {name: np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]) for name in NAMES}
    return {name: cv2.resize(p, (768, 768 * p.shape[0] // p.shape[1])) for name, p in found.items()}


def h264(frames: list[np.ndarray], crf: int) -> list[np.ndarray]:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as back:
        return [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]


def half(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def jpeg(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)


def swaying(picture: np.ndarray, count: int = 50) -> list[np.ndarray]:
    """The middle of a picture moves to and fro by up to 8 pixels, softly joined to what stands still."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    weight = np.exp(-((((x - width / 2) / (width / 4)) ** 2 + ((y - height / 2) / (height / 3)) ** 2) ** 2))
    return [
        cv2.remap(picture, x - 8 * np.sin(step / 6) * weight, y - 3 * np.sin(step / 4) * weight, cv2.INTER_LINEAR)
        for step in range(count)
    ]


def row(name: str, seen) -> None:
    accuracy = 1 - (seen.payload ^ PAYLOAD).bit_count() / 32
    print(f"| {name} | {seen.strength:.1f} | {accuracy:.0%} | {'found' if seen.found else 'not found'} |")


def main() -> None:
    print("| picture, attack | peak | bits right | |\n|---|---|---|---|")
    for name, picture in pictures().items():
        marked = mark(picture, PAYLOAD)
        psnr = 10 * np.log10(255**2 / np.mean((marked.astype(float) - picture) ** 2))
        row(f"{name}, none ({psnr:.1f} dB)", detect([marked]))
        row(f"{name}, JPEG 70", detect([jpeg(marked)]))
        row(f"{name}, half size", detect([half(marked)]))
        row(f"{name}, crop", detect([np.ascontiguousarray(marked[37:-51, 29:-60])]))
    picture = pictures()["astronaut"]
    panned = [np.ascontiguousarray(picture[128 : 128 + 512, step : step + 512]) for step in range(0, 80, 2)]
    for name, moving in (("talking head", swaying(picture[60:572, 100:612])), ("panned", panned)):
        layer = mark_layer(moving[0], PAYLOAD, VIDEO_PSNR_DB)
        begin = time.perf_counter()
        marked = [apply_layer(frame, layer) for frame in moving]
        each = (time.perf_counter() - begin) / len(marked) * 1e3
        for crf in (18, 23, 28):
            back = h264(marked, crf)
            row(f"{name} at {VIDEO_PSNR_DB:.0f} dB, CRF {crf}", detect(back))
            row(f"{name}, CRF {crf}, half size", detect([half(frame) for frame in back]))
            row(f"{name}, CRF {crf}, crop", detect([np.ascontiguousarray(frame[40:-30, 33:-50]) for frame in back]))
    random = np.random.default_rng(0)
    seen = []
    for picture in pictures().values():
        for _ in range(25):
            y, x = random.integers(0, picture.shape[0] - 256), random.integers(0, picture.shape[1] - 256)
            seen.append(detect([np.ascontiguousarray(picture[y : y + 256, x : x + 256])]))
    print(f"\nunmarked, {len(seen)} pieces: {sum(mark.found for mark in seen)} found; highest peak"
          f" {max(mark.strength for mark in seen):.2f}, smallest chance"
          f" {min(mark.chance for mark in seen):.2g}")  # fmt: skip
    print(f"marking a frame: {each:.2f} ms")


if __name__ == "__main__":
    main()
