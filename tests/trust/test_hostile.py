"""Files and names made to do harm: bombs, links, names that lead elsewhere, text that commands a terminal."""

from __future__ import annotations

import io
import json
import os
import struct
import wave
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from digitalme.artifacts import Avatar, Likeness
from digitalme.artifacts.files import read_json, read_npz, read_png
from digitalme.cli import main
from digitalme.errors import DigitalMeError, InputError
from digitalme.exporters.glb import read_glb, read_glb_file, write_glb_file
from digitalme.imaging.photo_files import decode_photo
from digitalme.product import folder_name, writing_to
from digitalme.run import peak_memory_mb
from digitalme.store import read_from
from tests.end_to_end.test_bad_input import png_bomb
from tools.fuzz import artifacts, run, seeds_of


def test_two_thousand_inputs_do_no_harm_when_a_hundred_dont():
    """The fast share of the run that .ci/run makes whole (below), and the nightly one (tools/fuzz.py)."""
    figures = run(100)
    assert figures["findings"] == {}
    assert figures["inputs"] == 100


@pytest.mark.slow
def test_two_thousand_inputs():
    figures = run(2000, skip=1_000_000)
    assert figures["findings"] == {}
    assert figures["hangs"] == figures["crashes"] == figures["outside"] == 0
    assert figures["peak_memory_mb"] < 1500


def test_a_finding_is_found(monkeypatch, tmp_path):
    """The fuzzer sees what it is there for: its own eyes, tried with a reader that writes where it must not."""
    program = (
        "import sys, tools.fuzz as f\n"
        "from pathlib import Path\n"
        "def bad(data, folder):\n"
        "    n = len(data) % 4\n"
        "    if n == 0: (Path(folder).parent / 'outside').write_bytes(b'')\n"
        "    if n == 1: import pickle; pickle.loads(pickle.dumps(Path))\n"
        "    if n == 2: raise KeyError('not ours')\n"
        "    if n == 3 and data != b'ok!': import os; os._exit(3)\n"
        "f.TARGETS = {'prompt': (lambda: [b'ok!'], bad, 1)}\n"
        "f.main()\n"
    )
    tool = tmp_path / "bad.py"
    tool.write_text(program)
    import tools.fuzz as module

    monkeypatch.setattr(module, "__file__", str(tool))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    figures = run(40, ["prompt"])
    told = " ".join(figures["findings"])
    assert "KeyError" in told
    assert "pickle.find_class" in told
    assert "process died" in told
    assert "outside" in told or "open" in told


# ---------------------------------------------------------------- bombs


def refuses(data: bytes) -> None:
    before = peak_memory_mb()
    with pytest.raises(InputError):
        decode_photo(data, "bomb")
    assert peak_memory_mb() - before < 300


def test_picture_bombs():
    refuses(png_bomb(30_000))
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    jpeg = bytearray(file.getvalue())
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    refuses(bytes(jpeg))
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "WEBP", lossless=True)
    webp = bytearray(file.getvalue())
    at = webp.index(b"VP8L") + 9
    webp[at : at + 4] = (16_000 | 16_000 << 14).to_bytes(4, "little")  # width and height, less 1, of 14 bits each
    refuses(bytes(webp))


def test_png_bomb_as_an_edited_artifact(tmp_path):
    (tmp_path / "portrait.png").write_bytes(png_bomb(30_000))
    with pytest.raises(InputError, match="million are read"):
        read_png(tmp_path / "portrait.png")


def test_png_with_a_chunk_longer_than_the_file(tmp_path):
    """96 bytes for which OpenCV takes 2 GB."""
    cv2.imwrite(str(tmp_path / "hair.png"), np.zeros((32, 32), np.uint8))
    data = bytearray((tmp_path / "hair.png").read_bytes())
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = b"\x7f\xff\xff\xff"
    (tmp_path / "hair.png").write_bytes(data)
    before = peak_memory_mb()
    with pytest.raises(InputError, match="not a readable picture"):
        read_png(tmp_path / "hair.png")
    assert peak_memory_mb() - before < 200


def test_more_channels_than_pyav_can_hold(tmp_path):
    """PyAV lists planes until it meets a null: with 8 channels there is none, and the process died."""
    from digitalme.audio.files import MOST_CHANNELS, read_voice

    for channels in (8, 15, MOST_CHANNELS + 1):
        with wave.open(str(tmp_path / f"{channels}.wav"), "wb") as file:
            file.setparams((channels, 2, 16_000, 0, "NONE", ""))
            one = np.random.default_rng(0).integers(-9000, 9000, (16_000, 1), np.int16)
            file.writeframes(one.repeat(channels, 1).tobytes())
    for channels in (8, 15):
        voice = read_voice(tmp_path / f"{channels}.wav")
        assert np.allclose(voice.samples, one[:, 0] / 32768, atol=1e-4)
    with pytest.raises(InputError, match=r"65 channels|cannot be decoded"):
        read_voice(tmp_path / "65.wav")


@pytest.mark.parametrize(
    "text",
    [
        "[stages]\nportrait = true", '[stages]\nportrait = { stage = "encode_photo", photo = [] }',
        "[stages]\nportrait = { stage = true }", "[sources]\nphoto = true", 'extends = "' + "A" * 5000 + '"',
    ],
)  # fmt: skip
def test_pipelines_of_the_wrong_kinds(tmp_path, text):
    from digitalme.pipeline import read_pipeline

    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError):
        read_pipeline(str(tmp_path / "mine.toml"))


def test_zip_bomb(tmp_path):
    """An NPZ that says it unpacks to 1.9 GB, and one whose array says that it has 10^12 numbers."""
    path = tmp_path / "residual.npz"
    np.savez_compressed(path, residual=np.zeros(1000, np.float32))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 1_900_000_000)
    path.write_bytes(data)
    with pytest.raises(InputError, match="when unpacked"):
        read_npz(path)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, ), }"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + bytes(64)
    for name, data in artifacts()["Likeness"].items():
        (tmp_path / name).write_bytes(data)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("residual.npy", npy)
    with pytest.raises(InputError, match="not a saved Likeness"):
        read_from(tmp_path, Likeness)


def test_pickles_are_not_opened(tmp_path):
    for name, data in artifacts()["Likeness"].items():
        (tmp_path / name).write_bytes(data)
    np.savez(tmp_path / "residual.npz", residual=np.array([os.system], dtype=object))
    with pytest.raises(InputError, match="not a saved Likeness"):
        read_from(tmp_path, Likeness)


def test_glb_bomb(tmp_path):
    """A stride of 0 makes a buffer of 4 bytes a thousand million numbers."""
    path = tmp_path / "avatar.glb"
    path.write_bytes(seeds_of("glb")[0])
    document, data = read_glb_file(path)
    for view in document["bufferViews"]:
        view["byteStride"] = 0
    for accessor in document["accessors"]:
        accessor["count"] = 5_000_000
    write_glb_file(path, document, data)
    before = peak_memory_mb()
    with pytest.raises(InputError, match=r"unpacked|damaged|matrices"):
        read_glb(path)
    assert peak_memory_mb() - before < 1500


def test_deep_json(tmp_path):
    (tmp_path / "a.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


# ---------------------------------------------------------------- names and links


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../b", "..\\x", "a\0b", "", 7, None])
def test_names_inside_an_artifact_lead_nowhere(tmp_path, name):
    """What slips out of an archive elsewhere is a name in a listing here."""
    for file, data in artifacts()["Avatar"].items():
        (tmp_path / file).write_bytes(data)
    about = json.loads((tmp_path / "avatar.json").read_text())
    for change in ({"textures": [name]}, {"meshes": [{**about["meshes"][0], "name": name}]}):
        (tmp_path / "avatar.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(InputError, match="no name of a mesh or texture"):
            read_from(tmp_path, Avatar)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("me", "me"), ("My photo", "My photo"), ("你好", "你好"), ("..", "me"), (".", "me"), ("../../x", "x"),
        ("-rf", "rf"), ("~root", "root"), ("a\x1b[31mb", "a[31mb"), ("a\u202eb", "ab"), ("x" * 300, "x" * 100),
        ("", "me"), ("\ud800", "me"), ("照" * 80, "照" * 33), (" . ", "me"),
    ],
)  # fmt: skip
def test_folder_names(name, folder):
    assert folder_name(name) == folder


@pytest.mark.parametrize(
    "name", ["...jpg", "-rf.jpg", "\x1b]0;owned\x07\x1b[31m.jpg", "n" * 240 + ".jpg", "图\u202egpj.jpg"]
)
def test_selfies_with_such_names(tmp_path, monkeypatch, capfd, name):
    """Refused (they are no pictures) in a clean line; nothing appears anywhere, least of all above."""
    here = tmp_path / "above" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "store"))
    (here / name).write_bytes(b"no picture")
    assert main(["build", "--selfie", f"./{name}", "--quiet"]) == 2
    told = capfd.readouterr().err
    assert not any(character in told for character in "\x1b\x07\u202e")
    assert [path.name for path in here.iterdir()] == [name]
    assert sorted(path.name for path in tmp_path.rglob("*") if "store" not in path.parts) == sorted(
        ["above", "here", name]
    )


def test_links_in_out_are_replaced_not_followed(tmp_path):
    precious, folder, out = tmp_path / "precious", tmp_path / "precious-folder", tmp_path / "out"
    precious.write_text("mine")
    folder.mkdir()
    (folder / "kept").write_text("mine")
    out.mkdir()
    (out / "portrait.txt").symlink_to(precious)
    (out / "run").symlink_to(folder)
    with writing_to(out) as drafts:
        (drafts / "portrait.txt").write_text("new")
        (drafts / "run").mkdir()
        (drafts / "run" / "run.json").write_text("{}")
    assert precious.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (out / "portrait.txt").read_text() == "new"
    assert not (out / "portrait.txt").is_symlink()
    assert not (out / "run").is_symlink()


@pytest.mark.parametrize(
    "store", ["{home}", "{home}/nowhere", "s3://someone/else", "http://127.0.0.1:9/x", "a" * 5000, "a\0b", "\ud800://x"]
)
def test_a_build_from_someone_else_names_no_store(tmp_path, monkeypatch, store):
    """Opening a store makes folders and empties its scratch, or calls an address: not where a stranger's file says."""
    from digitalme.product import Built

    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "store"))
    home = tmp_path / "home"
    (home / "scratch" / "mine").mkdir(parents=True)
    (tmp_path / "me" / "run").mkdir(parents=True)
    about = {"pipeline": "default", "store": store.format(home=home), "settings": {}, "keys": {}}
    (tmp_path / "me" / "run" / "run.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="no store of this computer"):
        Built.read(tmp_path / "me")
    assert (home / "scratch" / "mine").is_dir()
    assert sorted(path.name for path in home.iterdir()) == ["scratch"]
    assert not (tmp_path / "store").exists()


def test_a_pipeline_that_extends_itself(tmp_path):
    from digitalme.pipeline import read_pipeline

    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(f'extends = "{second}"')
    second.write_text(f'extends = "{first}"')
    with pytest.raises(InputError, match="which extends it"):
        read_pipeline(str(first))


def test_what_an_artifact_links_to_is_not_handed_over_as_its_own(tmp_path):
    """A stored object with a link in it: its digest is of what the link leads to, so it cannot be slipped in."""
    from digitalme.store import DamagedError, Store
    from tests.fakes.numbers import Number

    store = Store(tmp_path / "store")
    key = store.save(Number(7), {"stage": "given"})
    (tmp_path / "secret").write_text("8")
    (store.path(key) / "number.txt").unlink()
    (store.path(key) / "number.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(DamagedError, match=r"number\.txt"):
        store.check(key)


def test_errors_are_ours():
    assert issubclass(InputError, DigitalMeError)
