"""The watermark under attack: peak, bit accuracy and picture quality, and how far unmarked pictures stay below.

    python tools/bench/watermark.py [--null 2000]

Pictures: those that scikit-image ships. The videos: the first of them with its middle swaying before a still
background, as a talking head does; and, harder than what we make, panned as a whole.
"""

from __future__ import annotations

import argparse
import io
import time

import av
import cv2
import numpy as np
import skimage.data
from scipy.stats import norm

from digitalme.trust.watermark import (
    LIKELY,
    PLACES,
    SCALES,
    _at_scale,
    _residue,
    apply_layer,
    detect,
    mark,
    mark_layer,
)

PAYLOAD = 0xA5C3F01E
NATURAL = ("astronaut", "coffee", "chelsea", "rocket", "camera", "brick", "grass", "gravel", "coins", "page", "moon")
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


def psnr_of(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def studio(picture: np.ndarray) -> list[np.ndarray]:
    """The swaying head before a flat studio background with a slow shade: what hides a mark least."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    backdrop = np.repeat((190 - 60 * np.hypot(x / width - 0.5, y / height - 0.3))[..., None], 3, 2)
    inside = 1 / (1 + np.exp((np.hypot((x - width / 2) / (width / 3.4), (y - height / 2) / (height / 2.2)) - 1) * 30))
    inside = inside[..., None]
    return [np.round(f * inside + backdrop * (1 - inside)).astype(np.uint8) for f in swaying(picture)]


def row(name: str, seen) -> None:
    accuracy = 1 - (seen.payload ^ PAYLOAD).bit_count() / 32
    print(f"| {name} | {seen.strength:.1f} | {accuracy:.0%} | {'found' if seen.found else 'not found'} |")


def textures(random: np.random.Generator) -> np.ndarray:
    """A synthetic texture, 256 x 256: noise of some colour, stripes, a checkerboard or blobs."""
    y, x = np.mgrid[:256, :256]
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]) + 1 / 256
    noise = np.fft.irfft2(np.fft.rfft2(random.normal(size=(256, 256))) / frequency ** random.uniform(0, 2), (256, 256))
    kind, period, turn = random.integers(4), random.uniform(6, 60), random.uniform(0, np.pi)
    along = x * np.cos(turn) + y * np.sin(turn)
    wave = np.sin(2 * np.pi * along / period)
    shape = (noise / noise.std(), wave, np.sign(wave * np.sin(2 * np.pi * y / period)), np.sign(noise))[kind]
    grey = 128 + random.uniform(5, 60) * shape + random.normal(0, random.uniform(0.5, 4), (256, 256))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)


def null(count: int) -> None:
    """Unmarked pieces of photographs at random places and sizes, and textures: each at the likely scales, and at some
    of the others. What is told of chance is true where, of n peaks, about n * p are told to be rarer than p.
    """
    random = np.random.default_rng(0)
    shots = [getattr(skimage.data, name)() for name in NATURAL]
    shots = [np.ascontiguousarray(s[..., :3]) if s.ndim == 3 else np.repeat(s[..., None], 3, 2) for s in shots]
    chances, found, strengths = [], 0, []
    for number in range(count):
        if number % 4 == 3:
            piece = textures(random)
        else:
            shot = shots[random.integers(len(shots))]
            side = int(random.integers(160, min(shot.shape[:2]) + 1))
            y, x = random.integers(0, shot.shape[0] - side + 1), random.integers(0, shot.shape[1] - side + 1)
            piece = cv2.resize(shot[y : y + side, x : x + side], (256, 256), interpolation=cv2.INTER_AREA)
        residue = _residue(piece)
        for scale in (*LIKELY, *random.choice(SCALES, 4)):
            seen = _at_scale(residue, float(scale))
            strengths.append(seen.strength)
            chances.append(min(1.0, float(norm.sf(seen.strength)) * PLACES))
            found += seen.found
    chances = np.array(chances)
    print(f"\nunmarked: {count} pieces, {len(chances)} peaks looked at, {found} found; highest {max(strengths):.2f}")
    print("| rarer than | expected | seen |\n|---|---|---|")
    for chance in (0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6):
        print(f"| {chance:g} | {chance * len(chances):.2g} | {int((chances < chance).sum())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null", type=int, default=2000, help="unmarked pieces")
    given = parser.parse_args()
    print("| picture, attack | peak | bits right | |\n|---|---|---|---|")
    for name, picture in pictures().items():
        marked = mark(picture, PAYLOAD)
        row(f"{name}, none ({psnr_of(picture, marked):.1f} dB)", detect([marked]))
        row(f"{name}, JPEG 70", detect([jpeg(marked)]))
        row(f"{name}, half size", detect([half(marked)]))
        row(f"{name}, crop", detect([np.ascontiguousarray(marked[37:-51, 29:-60])]))
    picture = pictures()["astronaut"]
    panned = [np.ascontiguousarray(picture[128 : 128 + 512, step : step + 512]) for step in range(0, 80, 2)]
    head = swaying(picture[60:572, 100:612])
    random = np.random.default_rng(0)
    noisy = [np.clip(frame + random.normal(0, 3, frame.shape), 0, 255).astype(np.uint8) for frame in head]
    clips = (("talking head", head), ("in a studio", studio(head[0])), ("noisy", noisy), ("panned", panned))
    for name, moving in clips:
        layer = mark_layer(moving[0], PAYLOAD)
        begin = time.perf_counter()
        marked = [apply_layer(frame, layer) for frame in moving]
        each = (time.perf_counter() - begin) / len(marked) * 1e3
        for crf in (18, 23, 28):
            back = h264(marked, crf)
            row(f"{name} ({psnr_of(moving[0], marked[0]):.1f} dB), CRF {crf}", detect(back))
            row(f"{name}, CRF {crf}, half size", detect([half(frame) for frame in back]))
            row(f"{name}, CRF {crf}, crop", detect([np.ascontiguousarray(frame[40:-30, 33:-50]) for frame in back]))
    print(f"marking a frame: {each:.2f} ms")
    null(given.null)


if __name__ == "__main__":
    main()
