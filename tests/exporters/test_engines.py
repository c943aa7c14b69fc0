"""Blender, Godot and assimp load what we write, and put every vertex where we do."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from digitalme.errors import DigitalMeError, MissingExtraError
from digitalme.exporters.fbx import write_fbx
from digitalme.exporters.formats import EXPORTERS, export_files
from digitalme.exporters.glb import write_glb
from digitalme.exporters.obj import write_obj
from digitalme.exporters.options import FORMATS, ExportConfig
from digitalme.exporters.pose import local_from_world, pose_mesh, stand, world_from_local
from digitalme.exporters.profiles import MIXES, mesh_name, with_speech_morphs
from digitalme.spaces import rotation_from_euler
from tests.exporters.clients import bpy_python, in_blender, in_godot, need

WEIGHTS = {"jawOpen": 0.5, "mouthSmileLeft": 0.8, "eyeBlinkRight": 1.0, "eyeLookUpLeft": 0.6, "viseme_O": 0.3}
TURNS = {"Head": [0.1, 0.3, 0], "Neck": [0.1, 0.2, 0.1], "LeftArm": [0.6, 0, 0.2], "RightForeArm": [0, 0, -0.8],
         "LeftHandIndex1": [0.7, 0, 0], "RightUpLeg": [-0.5, 0, 0], "Spine1": [0.1, 0.1, 0]}  # fmt: skip


@pytest.fixture(scope="module")
def ready(avatar):
    return with_speech_morphs(stand(avatar, "T"))


@pytest.fixture(scope="module")
def posed_world(ready):
    skeleton = ready.skeleton
    local = local_from_world(skeleton, skeleton.world_from_joint)
    for joint, turn in TURNS.items():
        local[skeleton.names.index(joint), :3, :3] @= Rotation.from_rotvec(turn).as_matrix()
    return world_from_local(skeleton, local)


def moves_of(ready, posed_world):
    """World move of each joint from its bind pose, as the Blender script wants it."""
    moves = posed_world @ np.linalg.inv(ready.skeleton.world_from_joint.astype(float))
    return {name: move.tolist() for name, move in zip(ready.skeleton.names, moves, strict=True)}


def assert_same_vertices(ready, posed_world, found, tolerance=1e-4):
    for mesh in ready.meshes:
        ours = pose_mesh(mesh, ready.skeleton, posed_world, WEIGHTS)
        theirs = found[mesh_name(mesh.name)]
        assert theirs.shape == ours.shape, mesh.name
        assert np.linalg.norm(theirs - ours, axis=1).max() < tolerance, mesh.name


@pytest.mark.slow
def test_blender_reads_the_glb(avatar, ready, posed_world, performance, tmp_path):
    write_glb(avatar, performance, tmp_path / "a.glb")
    about, found = in_blender(tmp_path / "a.glb", moves_of(ready, posed_world), WEIGHTS, tmp_path)
    assert set(about["bones"]) == set(ready.skeleton.names)
    assert about["morphs"]["Wolf3D_Head"] == list(ready.mesh("head").morphs)
    assert set(MIXES) <= set(about["morphs"]["Wolf3D_Head"])
    assert_same_vertices(ready, posed_world, found)


@pytest.mark.slow
def test_godot_plays_the_performance(avatar, ready, performance, tmp_path):
    write_glb(avatar, performance, tmp_path / "a.glb")
    (tmp_path / "project").mkdir()
    answer = in_godot(tmp_path / "a.glb", tmp_path / "project")
    plain = {name.replace("_", "").lower() for name in answer["bones"]}  # Godot 3.2 writes LeftHand as left_hand
    assert plain == {name.replace("_", "").lower() for name in ready.skeleton.names}
    head = next(mesh for name, mesh in answer["meshes"].items() if "Wolf3D_Head" in name)
    assert set(head["morphs"]) == set(ready.mesh("head").morphs)
    assert head["skinned"]
    assert {"performance", "idle"} <= set(answer["clips"])
    curves, angles = performance.at(1.0)
    assert answer["jawOpen"] == pytest.approx(curves["jawOpen"], abs=0.02)
    error = Rotation.from_quat(answer["head"]) * Rotation.from_matrix(rotation_from_euler(*angles.astype(float))).inv()
    assert error.magnitude() < 0.02


def assimp_info(path):
    done = subprocess.run([need("assimp"), "info", str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    counts = re.findall(r"^(Meshes|Animations|Bones|Vertices|Faces):\s+(\d+)", done.stdout, re.M)
    return {key: int(value) for key, value in counts}


def test_assimp_reads_the_glb(avatar, ready, performance, tmp_path):
    write_glb(avatar, performance, tmp_path / "a.glb")
    info = assimp_info(tmp_path / "a.glb")
    assert info["Meshes"] == len(ready.meshes)
    assert info["Faces"] == sum(len(mesh.faces) for mesh in ready.meshes)
    assert info["Vertices"] == sum(len(mesh.positions) for mesh in ready.meshes)
    assert info["Animations"] == 3


@pytest.fixture(scope="module")
def fbx(avatar, performance, tmp_path_factory):
    python = bpy_python()
    path = tmp_path_factory.mktemp("fbx") / "a.fbx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIGITALME_BPY_PYTHON", python)
        write_fbx(avatar, performance, path)
    return path


@pytest.mark.slow
def test_blender_reads_the_fbx(fbx, ready, posed_world, tmp_path):
    about, found = in_blender(fbx, moves_of(ready, posed_world), WEIGHTS, tmp_path)
    assert set(about["bones"]) == set(ready.skeleton.names)
    assert about["morphs"]["Wolf3D_Head"] == list(ready.mesh("head").morphs)
    assert any("performance" in name for name in about["actions"])
    assert_same_vertices(ready, posed_world, found)


@pytest.mark.slow
def test_assimp_reads_the_fbx(fbx, ready):
    info = assimp_info(fbx)
    assert info["Meshes"] == len(ready.meshes)
    assert info["Faces"] == sum(len(mesh.faces) for mesh in ready.meshes)
    assert info["Animations"] >= 1


def test_fbx_without_blender(avatar, tmp_path, monkeypatch):
    """A Python without bpy: one line that says which pip command brings it."""
    stub = tmp_path / "python"
    stub.write_text("#!/bin/sh\nexit 3\n")
    stub.chmod(0o755)
    monkeypatch.setenv("DIGITALME_BPY_PYTHON", str(stub))
    with pytest.raises(MissingExtraError, match=re.escape('pip install "digitalme[fbx]"')):
        write_fbx(avatar, None, tmp_path / "a.fbx")
    monkeypatch.setenv("DIGITALME_BPY_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(DigitalMeError, match="did not finish"):
        write_fbx(avatar, None, tmp_path / "a.fbx")
    assert not (tmp_path / "a.fbx").exists()


def test_obj(avatar, tmp_path):
    """Read back: places, UVs, faces; every material is defined and every picture is there; assimp counts the same."""
    write_obj(avatar, tmp_path / "a.obj")
    text, materials = (tmp_path / "a.obj").read_text(), (tmp_path / "a.mtl").read_text()
    table = {word: [] for word in ("v", "vt", "vn", "f")}
    for word, rest in (line.split(" ", 1) for line in text.splitlines()):
        if word in table:
            table[word].append([float(number.split("/")[0]) for number in rest.split()])
    meshes = stand(avatar, "T").meshes
    corners = np.array(table["v"])[np.array(table["f"], int) - 1]
    np.testing.assert_allclose(corners, np.concatenate([m.positions[m.faces] for m in meshes]), atol=2e-6)
    uvs = np.concatenate([mesh.uvs for mesh in meshes])
    np.testing.assert_allclose(np.array(table["vt"]), np.stack([uvs[:, 0], 1 - uvs[:, 1]], 1), atol=2e-6)
    used, defined = (
        set(re.findall(rf"^{word} (\S+)", t, re.M)) for word, t in (("usemtl", text), ("newmtl", materials))
    )
    assert used == defined
    for picture in re.findall(r"^(?:map_Kd|norm) (\S+)", materials, re.M):
        assert (tmp_path / picture).exists()
    assert assimp_info(tmp_path / "a.obj")["Faces"] == len(table["f"])


def test_all_formats_in_time(avatar, performance, tmp_path):
    """All formats but FBX within 20 s on two cores (about 4 s for a groomed avatar), and the same bytes each time."""
    pytest.importorskip("pxr", reason='usd-core is not installed; pip install "digitalme[usd]"')
    started = time.monotonic()
    formats = tuple(name for name in FORMATS if name != "fbx")
    files = export_files(avatar, performance, tmp_path, ExportConfig(formats=formats))
    assert time.monotonic() - started < 20
    assert {"avatar.glb", "avatar.vrm", "performance.vrma", "avatar.usdz", "avatar.obj"} <= files.keys()
    assert set(FORMATS) == set(EXPORTERS)

    again = export_files(avatar, performance, tmp_path / "again", ExportConfig(formats=formats))
    for name, file in files.items():
        assert again[name].read_bytes() == file.read_bytes(), f"{name}: the same avatar must give the same bytes"


def test_usd_without_usd_core(avatar, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "digitalme.exporters.usd", raising=False)
    with pytest.raises(MissingExtraError, match=re.escape('pip install "digitalme[usd]"')):
        export_files(avatar, None, tmp_path, ExportConfig(formats=("usd",)))
    assert not list(tmp_path.iterdir())
