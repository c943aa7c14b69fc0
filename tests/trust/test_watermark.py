"""The watermark: read back exactly, after compression, half size and a crop; nothing read from unmarked pictures."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitalme.trust.watermark import CHANCE, PSNR_DB, apply_layer, detect, mark, mark_layer

PAYLOAD = 0xC0FFEE42


def scene(seed: int, height: int = 512, width: int = 512) -> np.ndarray:
    """A picture with slow shades, texture with a 1/f spectrum, and hard edges, as photographs have."""
    random = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    spectrum = random.normal(size=(3, height, fx.size)) + 1j * random.normal(size=(3, height, fx.size))
    picture = np.fft.irfft2(spectrum / (np.hypot(fy, fx) + 1 / height) ** 1.2, (height, width))
    picture = np.ascontiguousarray(picture.transpose(1, 2, 0))
    picture = 128 + 38 * picture / picture.std()
    for _ in range(6):
        center = tuple(int(c) for c in random.integers(0, width, 2))
        cv2.circle(picture, center, int(random.integers(10, 120)), random.uniform(20, 235, 3).tolist(), -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def accuracy(payload: int, wanted: int = PAYLOAD) -> float:
    return 1 - (payload ^ wanted).bit_count() / 32


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def through_h264(pictures: list[np.ndarray], crf: int) -> list[np.ndarray]:
    file = io.BytesIO()
    height, width = pictures[0].shape[:2]
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as back:
        return [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]


@settings(max_examples=5, deadline=None)
@given(payload=st.integers(0, 2**32 - 1), seed=st.integers(0, 1000))
def test_any_payload_is_read_back(payload, seed):
    picture = scene(seed)
    marked = mark(picture, payload)
    seen = detect([marked])
    assert seen.found
    assert accuracy(seen.payload, payload) >= 0.99
    assert psnr(picture, marked) >= 42


@pytest.mark.parametrize(
    "attack",
    [
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR),
        lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda p: cv2.resize(p, None, fx=1.37, fy=1.37, interpolation=cv2.INTER_CUBIC),
        lambda p: np.ascontiguousarray(p[31:-57, 44:-13]),
        lambda p: np.clip(p * 0.8 + 30, 0, 255).astype(np.uint8),
    ],
    ids=["jpeg60", "half", "larger", "crop", "contrast"],
)
def test_survives(attack):
    seen = detect([attack(mark(scene(5), PAYLOAD))])
    assert seen.found
    assert accuracy(seen.payload) >= 0.9


def test_survives_h264_at_crf_28_and_half_size():
    still = scene(6)
    layer = mark_layer(still, PAYLOAD)
    moving = []
    for step in range(24):  # something moves in front
        picture = still.copy()
        cv2.circle(picture, (80 + 12 * step, 250), 60, (200, 150, 120), -1)
        moving.append(apply_layer(picture, layer))
    back = through_h264(moving, 28)
    half = [cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in back]
    seen = detect(half)
    assert seen.found
    assert abs(seen.scale - 0.5) < 0.01
    assert accuracy(seen.payload) >= 0.9


def test_flat_places_are_hardly_touched():
    """A studio backdrop gets a level here and there, texture the rest; the mark holds after CRF 28 and half size."""
    y, x = np.mgrid[:512, :512]
    backdrop = np.repeat((200 - 0.06 * x - 0.04 * y).round()[..., None], 3, 2).astype(np.uint8)
    picture = backdrop.copy()
    picture[140:, 130:380] = scene(9)[140:, 130:380]
    layer = mark_layer(picture, PAYLOAD)
    flat, texture = layer[:100].astype(float), layer[200:480, 160:350].astype(float)
    assert flat.std() < 0.8
    assert np.abs(flat).max() <= 3
    assert texture.std() > 3 * flat.std()
    marked = apply_layer(picture, layer)
    assert psnr(picture, marked) >= 42
    assert accuracy(detect([marked]).payload) == 1
    back = through_h264([marked] * 12, 28)
    seen = detect([cv2.resize(each, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for each in back])
    assert seen.found
    assert accuracy(seen.payload) >= 0.9


def test_a_picture_of_one_colour_is_marked_too():
    plain = np.full((512, 512, 3), 128, np.uint8)
    marked = mark(plain, PAYLOAD)
    assert psnr(plain, marked) > 50
    assert detect([marked]).found


def test_unmarked_pictures_have_none():
    """What is told of chance is true: over many unmarked pictures the smallest is about one in their number."""
    seen = [detect([scene(seed, 384, 448)]) for seed in range(100, 108)]
    assert not any(mark.found for mark in seen)
    assert min(mark.chance for mark in seen) > CHANCE * 100


def test_payload_has_32_bits():
    with pytest.raises(ValueError, match="expected 32 bits"):
        mark(scene(1), 1 << 32)


def test_marking_is_deterministic():
    assert np.array_equal(mark(scene(2), 7), mark(scene(2), 7))
    assert PSNR_DB >= 42


def test_the_face_of_an_exported_avatar_is_marked(tmp_path):
    """Its head texture, through JPEG in a GLB; the signature is another matter. Another texture has no mark."""
    from digitalme.exporters.glb import to_gltf, write_glb_file
    from digitalme.exporters.options import DEFAULT
    from digitalme.stages.export import marked
    from digitalme.trust.provenance import verify
    from tools.fuzz import small_avatar

    for name, texture in (("marked", marked(scene(8, 1024, 1024))), ("plain", scene(8, 1024, 1024))):
        avatar = replace(small_avatar(), textures={"skin": texture})
        write_glb_file(tmp_path / f"{name}.glb", *to_gltf(avatar, DEFAULT, [], None))
    told = {name: verify(tmp_path / f"{name}.glb")[-1] for name in ("marked", "plain")}
    assert told["marked"].holds
    assert told["plain"].holds is None
