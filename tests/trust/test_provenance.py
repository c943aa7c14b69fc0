"""Signatures: what was signed verifies, any change is found, keys are private, nothing else is claimed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from digitalme.artifacts.files import write_png
from digitalme.trust.provenance import SIDECAR, identity, seal, sign, verify
from digitalme.trust.watermark import mark
from tests.trust.test_watermark import scene


@pytest.fixture(scope="module")
def who(tmp_path_factory):
    return identity(tmp_path_factory.mktemp("keys") / "digitalme")


def signature(path):
    return next(finding for finding in verify(path) if finding.what == "signature")


def test_png(tmp_path, who):
    path = tmp_path / "picture.png"
    write_png(path, mark(scene(3), 0x12345678))
    before = path.read_bytes()
    assert signature(path).holds is None
    assert sign(path, {"consent": "me"}, who) == path
    assert path.read_bytes() != before
    findings = verify(path)
    assert [finding.holds for finding in findings] == [True, True]
    assert "12345678" in findings[1].words
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("where", ["the picture", "the statement"])
def test_tampered_png_is_found(tmp_path, who, where):
    """A flipped bit in the picture or in what is stated about it. (C2PA leaves the signature's padding open.)"""
    path = tmp_path / "picture.png"
    write_png(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    sign(path, {"consent": "given by the subject"}, who)
    data = bytearray(path.read_bytes())
    data[data.find(b"IDAT") + 500 if where == "the picture" else data.find(b"given by the subject")] ^= 1
    path.write_bytes(data)
    assert signature(path).holds is False


@pytest.mark.parametrize("name", ["avatar.glb", "avatar.vrm", "avatar.fbx"])
def test_sidecar(tmp_path, who, name):
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 50)
    assert signature(path).holds is None
    sidecar = sign(path, {"consent": "me"}, who)
    assert sidecar.name == name + SIDECAR
    assert signature(path).holds is True
    text = json.loads(sidecar.read_text())
    text["statement"]["about"]["consent"] = "someone else"
    forged = sidecar.read_text()
    sidecar.write_text(json.dumps(text))
    assert signature(path).holds is False
    sidecar.write_text(forged)
    path.write_bytes(path.read_bytes() + b"x")
    assert signature(path).holds is False


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"statement": 1, "signature": "", "chain": ""}', "\x00"])
def test_nonsense_beside_a_file(tmp_path, text):
    path = tmp_path / "avatar.glb"
    path.write_bytes(b"glTF")
    path.with_name(path.name + SIDECAR).write_text(text)
    assert signature(path).holds is False


def test_the_key_is_its_owners_alone(tmp_path):
    folder = tmp_path / "data"
    made = identity(folder)
    assert identity(folder) == made
    assert (folder / "signing_key.pem").stat().st_mode & 0o077 == 0


def test_seal_leaves_other_files(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "performance.json").write_text("{}")
    (out / "avatar.glb").write_bytes(b"glTF")
    seal(out, {})
    assert {path.name for path in out.iterdir()} == {"performance.json", "avatar.glb", "avatar.glb" + SIDECAR}
