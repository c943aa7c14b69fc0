"""What cannot be used ends with exit code 2, one line that says what to do, and nothing written."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from digitalme.artifacts.files import write_png
from digitalme.cli import main
from digitalme.demo import demo_photo, demo_voice


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "store"))
    return tmp_path


def refused(capsys, *arguments: str) -> str:
    """Build with these arguments; the one line that it is refused with."""
    assert main(["build", *arguments, "--out", "made/me", "--quiet"]) == 2
    captured = capsys.readouterr()
    message = captured.err.strip()
    assert captured.out == ""
    assert message.startswith("digitalme: ")
    assert len(message.splitlines()) == 1, message
    assert not Path("made").exists()
    return message


def astronaut() -> np.ndarray:
    return cv2.imread(str(demo_photo()))[..., ::-1]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int) -> bytes:
    """A valid PNG of side x side black pixels in a few kilobytes."""
    squeezer = zlib.compressobj(9)
    row = b"\0" * (1 + side // 8)
    rows = b"".join(squeezer.compress(row * 100) for _ in range(side // 100)) + squeezer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_no_face(here, capsys):
    write_png(here / "wall.png", np.full((480, 480, 3), 128, np.uint8))
    assert "face" in refused(capsys, "--selfie", "wall.png")


def test_two_faces_of_one_size(here, capsys):
    head = astronaut()[:400, 60:400]
    write_png(here / "two.png", np.concatenate([head, head[:, ::-1]], 1))
    assert "--face" in refused(capsys, "--selfie", "two.png")


def test_text_named_jpg(here, capsys):
    (here / "me.jpg").write_text("this is not a picture\n" * 50)
    assert "me.jpg" in refused(capsys, "--selfie", "me.jpg")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_truncated_jpeg(here, capsys, kept):
    data = cv2.imencode(".jpg", astronaut()[..., ::-1])[1].tobytes()
    (here / "me.jpg").write_bytes(data[: int(len(data) * kept)])
    assert "me.jpg" in refused(capsys, "--selfie", "me.jpg")


def test_pixel_bomb(here, capsys):
    (here / "bomb.png").write_bytes(png_bomb(30_000))
    assert "too large" in refused(capsys, "--selfie", "bomb.png")


def test_silence(here, capsys):
    with wave.open("quiet.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * 3))
    assert "silence" in refused(capsys, "--selfie", str(demo_photo()), "--voice", "quiet.wav")


def test_empty_voice(here, capsys):
    Path("nothing.wav").touch()
    assert "empty" in refused(capsys, "--selfie", str(demo_photo()), "--voice", "nothing.wav")


def test_two_hours_of_voice(here, capsys):
    """The header alone says it: the samples are a hole in the file."""
    seconds, rate = 7200, 8000
    header = io.BytesIO()
    with wave.open(header, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
    data = bytearray(header.getvalue())
    data[4:8] = struct.pack("<I", 36 + seconds * rate * 2)
    data[40:44] = struct.pack("<I", seconds * rate * 2)
    with Path("long.wav").open("wb") as file:
        file.write(data)
        file.truncate(44 + seconds * rate * 2)
    assert "10 minutes" in refused(capsys, "--selfie", str(demo_photo()), "--voice", "long.wav")


def test_a_picture_for_a_voice(here, capsys):
    assert "sound" in refused(capsys, "--selfie", str(demo_photo()), "--voice", str(demo_photo()))


def test_unwritable_out(here, capsys):
    Path("made").write_text("a file where a folder should be")
    arguments = ["build", "--selfie", str(demo_photo()), "--voice", str(demo_voice()[0]), "--out", "made/me"]
    assert main(arguments) == 2
    assert "made/me: cannot be written" in capsys.readouterr().err
