"""VRM 1.0 and VRM animation: what the file says, and what three-vrm makes of it."""

import io
import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from digitalme.artifacts import AvatarMesh, Material
from digitalme.body.model import load_body
from digitalme.errors import InputError
from digitalme.exporters.formats import export_files
from digitalme.exporters.glb import read_glb_file
from digitalme.exporters.hair_bones import with_hair_bones
from digitalme.exporters.options import ExportConfig
from digitalme.exporters.vrm import HUMAN_BONES, PRESETS, vrm_meta, write_vrm, write_vrma
from digitalme.spaces import rotation_from_euler
from tests.exporters.clients import FOLDER, bpy_python, in_browser, need_node, validate


@pytest.fixture(scope="module")
def long_haired(avatar):
    """The avatar with a curtain of hair from ear to ear round the back, 300 mm long."""
    head = avatar.skeleton.names.index("Head")
    place = avatar.skeleton.world_from_joint[head, :3, 3]
    angle, down = np.meshgrid(np.radians(np.linspace(70, 290, 45)), np.linspace(0.12, -0.30, 43), indexing="ij")
    points = place + np.stack([0.1 * np.sin(angle), down, 0.1 * np.cos(angle)], -1).reshape(-1, 3)
    corner = (np.arange(44)[:, None] * 43 + np.arange(42)).reshape(-1)
    faces = np.concatenate([corner[:, None] + [0, 1, 43], corner[:, None] + [1, 44, 43]])
    normals = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1).reshape(-1, 3)
    count = len(points)
    mesh = AvatarMesh(
        "hair", points.astype(np.float32), normals.astype(np.float32), np.zeros((count, 2), np.float32),
        faces.astype(np.int32), np.tile(np.int32([head, 0, 0, 0]), (count, 1)),
        np.tile(np.float32([1, 0, 0, 0]), (count, 1)), Material("Hair", "hair", (0.2, 0.1, 0.1, 1), double_sided=True),
    )  # fmt: skip
    return replace(avatar, meshes=(*avatar.meshes, mesh))


def test_short_hair_stays_rigid(avatar):
    same, chains = with_hair_bones(avatar)
    assert same is avatar
    assert chains == []


def test_hair_bones(long_haired):
    grown, chains = with_hair_bones(long_haired)
    mesh, head = grown.mesh("hair"), grown.skeleton.names.index("Head")
    assert len(chains) >= 4
    np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-6)
    for joints, weights in zip(mesh.joints, mesh.weights, strict=True):
        used = joints[weights > 0]
        assert len(set(used)) == len(used)
    height = grown.skeleton.world_from_joint[head, 1, 3]
    above = mesh.positions[:, 1] > height + 0.01
    assert (mesh.joints[above, 0] == head).all()
    lowest = mesh.positions[:, 1] < height - 0.28
    assert (mesh.weights[lowest] * (mesh.joints[lowest] == head)).sum() == 0
    for child, parent in enumerate(grown.skeleton.parents):
        assert parent < child


def test_document(long_haired, tmp_path):
    write_vrm(replace(long_haired, look="moe"), tmp_path / "a.vrm")
    document, _ = read_glb_file(tmp_path / "a.vrm")
    vrm = document["extensions"]["VRMC_vrm"]
    names = [node["name"] for node in document["nodes"]]
    for bone, entry in vrm["humanoid"]["humanBones"].items():
        assert names[entry["node"]] == HUMAN_BONES[bone]
    assert len(vrm["expressions"]["preset"]) == len(PRESETS) == 18
    assert set(vrm["expressions"]["custom"]) == set(load_body().names("action"))
    for expression in [*vrm["expressions"]["preset"].values(), *vrm["expressions"]["custom"].values()]:
        for bind in expression.get("morphTargetBinds", []):
            mesh = document["meshes"][document["nodes"][bind["node"]]["mesh"]]
            assert bind["index"] < len(mesh["extras"]["targetNames"])
    jaw = vrm["expressions"]["custom"]["jawOpen"]["morphTargetBinds"]
    assert {"Wolf3D_Head", "Wolf3D_Teeth", "Wolf3D_Tongue"} <= {names[bind["node"]] for bind in jaw}
    assert all("VRMC_materials_mtoon" in material["extensions"] for material in document["materials"])
    assert "animations" not in document


def test_permissions_are_strict_unless_granted(avatar):
    strict = vrm_meta(avatar, ExportConfig(consent="ab" * 32))
    assert (strict["avatarPermission"], strict["commercialUsage"]) == ("onlyAuthor", "personalNonProfit")
    assert (strict["modification"], strict["allowRedistribution"]) == ("prohibited", False)
    assert "ab" * 32 in strict["copyrightInformation"]
    free = vrm_meta(avatar, ExportConfig(author="Ada", licence="open"))
    assert free["authors"] == ["Ada"]
    assert (free["avatarPermission"], free["modification"]) == ("everyone", "allowModificationRedistribution")


def test_thumbnail_shows_the_face(avatar, tmp_path):
    write_vrm(avatar, tmp_path / "a.vrm")
    document, data = read_glb_file(tmp_path / "a.vrm")
    image = document["images"][document["extensions"]["VRMC_vrm"]["meta"]["thumbnailImage"]]
    view = document["bufferViews"][image["bufferView"]]
    raw = data[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    picture = np.asarray(Image.open(io.BytesIO(raw))).astype(int)
    assert picture.shape == (256, 256, 3)
    middle, corner = picture[100:150, 100:150].mean((0, 1)), picture[:20, :20].mean((0, 1))
    assert middle[0] - middle[2] > corner[0] - corner[2] + 15, "skin in the middle, backdrop in the corner"


def test_animation_needs_a_performance(avatar, tmp_path):
    with pytest.raises(InputError, match="format 'vrma' is a performance, and there is none"):
        export_files(avatar, None, tmp_path, ExportConfig(formats=("vrma",)))


def test_khronos_validator(long_haired, performance, tmp_path):
    write_vrm(long_haired, tmp_path / "a.vrm")
    write_vrm(replace(long_haired, look="moe"), tmp_path / "b.vrm")
    write_vrma(long_haired, performance, tmp_path / "c.vrma")
    for report in validate(*(tmp_path / name for name in ("a.vrm", "b.vrm", "c.vrma"))):
        assert (report["errors"], report["warnings"]) == (0, 0), report["messages"]


def test_three_vrm(long_haired, performance, tmp_path):
    need_node("@pixiv/three-vrm")
    write_vrm(replace(long_haired, look="moe"), tmp_path / "a.vrm")
    write_vrma(long_haired, performance, tmp_path / "c.vrma")
    files = {"avatar": str(tmp_path / "a.vrm"), "animation": str(tmp_path / "c.vrma")}
    answer = in_browser("vrm.html", {"files": files, "swing": True, "seconds": 0.5}, tmp_path)
    assert answer["version"] == "1"
    assert set(answer["bones"]) == set(HUMAN_BONES)
    assert set(answer["expressions"]) == set(PRESETS) | set(load_body().names("action"))
    still = {name for name, moved in answer["expressions"].items() if moved < 1e-3}
    assert still == {"neutral"}, "every expression must move the skin by more than a millimetre"
    gaze = answer["gaze"]
    assert gaze["left"][0] > 0.003
    assert gaze["right"][0] < -0.003
    assert gaze["up"][1] > 0.001
    assert gaze["down"][1] < -0.001
    assert set(answer["materials"]) == {"ShaderMaterial"}  # MToon's
    assert answer["springs"] >= 12
    assert answer["hairStirs"] > 0.05

    curves, angles = performance.at(0.5)
    assert answer["clip"]["seconds"] == pytest.approx(performance.seconds, abs=0.05)
    assert answer["clip"]["jawOpen"] == pytest.approx(curves["jawOpen"], abs=0.01)
    turned = Rotation.from_quat(answer["clip"]["head"]) * Rotation.from_matrix(
        rotation_from_euler(*angles.astype(float))
    ).inv()  # fmt: skip
    assert turned.magnitude() < 0.01


@pytest.mark.slow
def test_blenders_vrm_add_on(long_haired, tmp_path):
    """The add-on's own validator has nothing to say; it finds every bone and expression."""
    python = bpy_python()
    look = "import sys, importlib.util as u; sys.exit(u.find_spec('io_scene_vrm') is None)"
    if subprocess.run([python, "-c", look], capture_output=True, timeout=120).returncode:
        pytest.skip("bpy-vrm-format is not installed beside bpy; pip install bpy-vrm-format")
    write_vrm(long_haired, tmp_path / "a.vrm")
    done = subprocess.run(
        [python, FOLDER / "blender_vrm.py", tmp_path / "a.vrm"], capture_output=True, text=True, timeout=300
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert lines, done.stdout[-1000:] + done.stderr[-2000:]
    answer = json.loads(lines[0].removeprefix("ANSWER "))
    assert answer["imported"] == ["FINISHED"]
    assert answer["messages"] == []
    assert set(answer["bones"]) == set(HUMAN_BONES)
    assert set(answer["custom"]) == set(load_body().names("action"))
