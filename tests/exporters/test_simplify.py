"""Levels of detail: what is left is a subset, seams stay shut, the face still moves, files stay valid."""

import struct

import numpy as np
import pytest
from scipy.spatial import cKDTree

from digitalme.errors import InputError
from digitalme.exporters.formats import export_files
from digitalme.exporters.glb import read_glb
from digitalme.exporters.options import ExportConfig
from digitalme.exporters.simplify import only_head, simplify
from tests.exporters.clients import bpy_python, in_blender, validate

LEVELS = (20000, 10000, 3000)


@pytest.fixture(scope="module", params=LEVELS)
def level(request, avatar):
    return request.param, simplify(avatar, request.param)


def count(avatar):
    return sum(len(mesh.faces) for mesh in avatar.meshes)


def test_reaches_its_goal(level):
    goal, fewer = level
    assert 0.9 * goal < count(fewer) <= goal


def test_nothing_to_do(avatar):
    assert simplify(avatar, 10**6) is avatar


def test_what_is_left_is_a_subset(level, avatar):
    """Each vertex is an original one with its UV, skin weights and morphs, found by all of its values."""
    _, fewer = level
    for mesh in fewer.meshes:
        whole = avatar.mesh(mesh.name)
        key = {tuple(row): i for i, row in enumerate(np.hstack([whole.positions, whole.uvs, whole.normals]))}
        source = [key[tuple(row)] for row in np.hstack([mesh.positions, mesh.uvs, mesh.normals])]
        np.testing.assert_array_equal(mesh.weights, whole.weights[source])
        np.testing.assert_array_equal(mesh.joints, whole.joints[source])
        for name, morph in whole.morphs.items():
            dense = morph.dense(len(whole.positions))[source]
            np.testing.assert_array_equal(mesh.morphs[name].dense(len(source)), dense)
        assert len(np.unique(mesh.faces)) == len(mesh.positions)


def open_edges(avatar):
    """Edges of the skin (head, body, mouth, sockets) that only one triangle has, by place."""
    meshes = [mesh for mesh in avatar.meshes if mesh.name in ("head", "body", "mouth", "sockets")]
    places = np.concatenate([mesh.positions[mesh.faces].reshape(-1, 3) for mesh in meshes])
    _, weld = np.unique(np.round(places * 1e6).astype(np.int64), axis=0, return_inverse=True)
    faces = weld.reshape(-1, 3)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    return (np.unique(edges, axis=0, return_counts=True)[1] == 1).sum()


def test_seams_stay_shut(level, avatar):
    assert open_edges(level[1]) <= open_edges(avatar)


def test_stays_near_the_surface(level, avatar):
    """The original's vertices lie near the simplified head: within 2 mm on average even at 3,000 triangles."""
    goal, fewer = level
    mesh, whole = fewer.mesh("head"), avatar.mesh("head")
    corners = mesh.positions[mesh.faces]
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    samples = np.einsum("wk,fkc->fwc", weights, corners).reshape(-1, 3)
    distance = cKDTree(samples).query(whole.positions)[0]
    assert distance.mean() < {20000: 0.8e-3, 10000: 1.2e-3, 3000: 2.5e-3}[goal]


def test_the_face_still_moves(level, avatar):
    _, fewer = level
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkLeft", "browInnerUp"):
        whole = np.linalg.norm(avatar.mesh("head").morphs[name].delta, axis=1).max()
        assert np.linalg.norm(fewer.mesh("head").morphs[name].delta, axis=1).max() > 0.75 * whole, name


def test_face_only(avatar):
    head = only_head(avatar)
    assert {"head", "eye_left", "teeth", "lashes"} <= {mesh.name for mesh in head.meshes}
    assert min(mesh.positions[:, 1].min() for mesh in head.meshes) > 1.3
    assert count(head) < 0.7 * count(avatar)
    np.testing.assert_array_equal(head.mesh("head").positions, avatar.mesh("head").positions)


def test_files_of_each_level_are_valid(avatar, performance, tmp_path):
    files = []
    for goal in LEVELS:
        config = ExportConfig(formats=("glb", "vrm"), triangles=goal, image_format="webp", texture_size=512)
        files += export_files(avatar, performance, tmp_path / str(goal), config).values()
    files += export_files(avatar, performance, tmp_path / "face", ExportConfig(face_only=True)).values()
    assert all(file.stat().st_size < 5e6 for file in files)
    for report in validate(*files):
        assert (report["errors"], report["warnings"]) == (0, 0), (report["file"], report["messages"])


def test_wrong_number():
    with pytest.raises(InputError, match="triangles is 12; expected 500 or more, or 0 for all"):
        ExportConfig(triangles=12)


def test_levels_are_files_of_their_own(avatar, performance, tmp_path):
    """One file a level, with the same skeleton and morph names in each, as Unreal's LOD import asks."""
    levels = (20000, 5000)
    config = ExportConfig(formats=("glb", "vrma"), levels=levels, texture_size=64)
    files = export_files(avatar, performance, tmp_path, config)
    assert sorted(files) == ["avatar_LOD0.glb", "avatar_LOD1.glb", "performance.vrma"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    read = [read_glb(files[f"avatar_LOD{number}.glb"]) for number in (0, 1)]
    for level, goal in zip(read, levels, strict=True):
        assert 0.9 * goal < count(level) <= goal
        assert level.skeleton.names == read[0].skeleton.names
        assert list(level.mesh("head").morphs) == list(read[0].mesh("head").morphs)


@pytest.mark.slow
def test_one_fbx_holds_all_levels(avatar, performance, tmp_path, monkeypatch):
    """Unity reads levels of detail by names that end in _LOD0, _LOD1; all are skinned to one skeleton, in metres."""
    monkeypatch.setenv("DIGITALME_BPY_PYTHON", bpy_python())
    config = ExportConfig(formats=("fbx",), levels=(20000, 3000), texture_size=64)
    files = export_files(avatar, performance, tmp_path, config)
    assert sorted(files) == ["avatar.fbx", "avatar_LOD0.fbx", "avatar_LOD1.fbx"]
    about, found = in_blender(files["avatar.fbx"], {}, {}, tmp_path)
    assert {"Wolf3D_Head_LOD0", "Wolf3D_Head_LOD1", "Wolf3D_Body_LOD1"} <= set(found)
    assert len(found["Wolf3D_Head_LOD1"]) < len(found["Wolf3D_Head_LOD0"])
    assert about["morphs"]["Wolf3D_Head_LOD1"] == about["morphs"]["Wolf3D_Head_LOD0"]
    assert set(about["bones"]) == set(avatar.skeleton.names)
    data = files["avatar.fbx"].read_bytes()
    scale = data[data.index(b"UnitScaleFactor") :][:120]
    number = scale.index(b"D", scale.index(b"Number")) + 1  # a property of type double
    assert struct.unpack("<d", scale[number : number + 8])[0] == 100, "centimetres in a unit: the file is in metres"
    height = max(vertices[:, 1].max() for vertices in found.values())
    assert 1.4 < height < 2.2


@pytest.mark.parametrize(
    ("levels", "text"),
    [((10000, 20000), "expected fewer triangles in each next one"), ((3000, 12), "levels has 12 triangles")],
)
def test_wrong_levels(levels, text):
    with pytest.raises(InputError, match=text):
        ExportConfig(levels=levels)
