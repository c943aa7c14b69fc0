"""The GLB against the avatar it was written from: read back, validated, loaded by three.js."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from digitalme.artifacts.files import read_png
from digitalme.body.model import load_body
from digitalme.body.visemes import VISEMES
from digitalme.errors import InputError
from digitalme.exporters.formats import export_files
from digitalme.exporters.glb import read_accessor, read_glb, read_glb_file, tangents, write_glb
from digitalme.exporters.options import ExportConfig
from digitalme.exporters.pose import NECK_SHARE, local_from_world, pose_mesh, stand, world_from_local
from digitalme.exporters.profiles import EXTRAS, MIXES, mesh_name, with_speech_morphs
from digitalme.spaces import rotation_from_euler
from tests.exporters.clients import in_browser, validate


@pytest.fixture(scope="module")
def glb(avatar, performance, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "avatar.glb"
    write_glb(avatar, performance, path)
    return path


@pytest.fixture(scope="module")
def expected(avatar):
    return with_speech_morphs(stand(avatar, "T"))


def posed(avatar, weights, turns):
    """Ours: every mesh morphed and skinned, with joints turned by quaternions relative to the bind pose."""
    skeleton = avatar.skeleton
    local = local_from_world(skeleton, skeleton.world_from_joint)
    for joint, quaternion in turns.items():
        local[skeleton.names.index(joint), :3, :3] @= Rotation.from_quat(quaternion).as_matrix()
    world = world_from_local(skeleton, local)
    return {mesh.name: pose_mesh(mesh, skeleton, world, weights) for mesh in avatar.meshes}


@pytest.mark.parametrize("profile", ["rpm", "mixamo"])
@pytest.mark.parametrize("pose", ["T", "A"])
def test_round_trip(avatar, performance, tmp_path, profile, pose):
    write_glb(avatar, performance, tmp_path / "a.glb", ExportConfig(profile=profile, pose=pose))
    wanted, got = with_speech_morphs(stand(avatar, pose)), read_glb(tmp_path / "a.glb")
    assert got.skeleton.names == wanted.skeleton.names
    np.testing.assert_array_equal(got.skeleton.parents, wanted.skeleton.parents)
    np.testing.assert_allclose(got.skeleton.world_from_joint, wanted.skeleton.world_from_joint, atol=2e-6)
    assert (got.name, got.look) == (wanted.name, wanted.look)
    for ours, theirs in zip(wanted.meshes, got.meshes, strict=True):
        assert theirs.name == ours.name
        np.testing.assert_array_equal(theirs.positions, ours.positions)
        np.testing.assert_array_equal(theirs.faces, ours.faces)
        np.testing.assert_array_equal(theirs.uvs, ours.uvs)
        np.testing.assert_allclose(theirs.weights.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(theirs.weights, ours.weights, atol=3e-5)
        assert list(theirs.morphs) == list(ours.morphs)
        for name, morph in ours.morphs.items():
            count = len(ours.positions)
            np.testing.assert_array_equal(theirs.morphs[name].dense(count), morph.dense(count))
        assert theirs.material.kind == ours.material.kind
        np.testing.assert_allclose(theirs.material.base_color, ours.material.base_color, atol=1e-5)
    for key, picture in wanted.textures.items():
        assert got.textures[key].shape == picture.shape
        assert np.abs(got.textures[key].astype(int) - picture).mean() < 4  # JPEG


def test_names_of_ready_player_me(glb):
    document, _ = read_glb_file(glb)
    assert document["scenes"][0]["name"] == "Armature"
    assert document["nodes"][0]["name"] == "Armature"
    names = [node["name"] for node in document["nodes"]]
    assert len(set(names)) == len(names)
    assert {"Wolf3D_Head", "Wolf3D_Teeth", "EyeLeft", "EyeRight", "Wolf3D_Body"} <= set(names)
    targets = {mesh["name"]: mesh["extras"].get("targetNames", []) for mesh in document["meshes"]}
    assert len(VISEMES) == 15
    assert set(targets["Wolf3D_Head"]) == set(load_body().names("action")) | set(MIXES)
    assert {"jawOpen", "viseme_aa", "mouthOpen"} <= set(targets["Wolf3D_Teeth"])
    assert {"eyesLookUp", "eyeLookInLeft"} <= set(targets["EyeLeft"])
    assert {clip["name"] for clip in document["animations"]} == {"performance", "idle", "T-pose"}


def test_every_mixed_morph_moves_what_its_parts_move(expected):
    assert set(EXTRAS) == {"mouthOpen", "mouthSmile", "eyesClosed", "eyesLookUp", "eyesLookDown"}
    for mesh in expected.meshes:
        count = len(mesh.positions)
        for name, mix in MIXES.items():
            sum_of_parts = sum(
                (weight * mesh.morphs[part].dense(count) for part, weight in mix.items() if part in mesh.morphs),
                np.zeros((count, 3)),
            )
            got = mesh.morphs[name].dense(count) if name in mesh.morphs else np.zeros((count, 3))
            np.testing.assert_allclose(got, sum_of_parts, atol=2e-6)


def test_stands_on_the_ground_with_level_arms(expected):
    joint = dict(zip(expected.skeleton.names, expected.skeleton.world_from_joint, strict=True))
    assert min(mesh.positions[:, 1].min() for mesh in expected.meshes) == pytest.approx(0, abs=1e-6)
    for side in ("Left", "Right"):
        heights = [joint[f"{side}{bone}"][1, 3] for bone in ("Arm", "ForeArm", "Hand", "HandMiddle1")]
        depths = [joint[f"{side}{bone}"][2, 3] for bone in ("Arm", "ForeArm", "Hand")]
        assert np.ptp(heights) < 0.02
        assert np.ptp(depths) < 1e-3
        assert np.ptp([joint[f"{side}{bone}"][0, 3] for bone in ("UpLeg", "Leg", "Foot")]) < 1e-3


def test_the_head_only_rises(avatar, expected):
    """A portrait's camera still fits once `head_lift` is taken off."""
    lift = np.array([0, expected.about["head_lift"], 0])
    ours, theirs = avatar.mesh("head"), expected.mesh("head")
    face = ours.positions[:, 1] > 1.68
    np.testing.assert_allclose(theirs.positions[face] - lift, ours.positions[face], atol=2e-6)


def test_performance_is_baked(glb, performance):
    document, data = read_glb_file(glb)
    clip = next(a for a in document["animations"] if a["name"] == "performance")
    node = {n["name"]: i for i, n in enumerate(document["nodes"])}
    outputs = {
        (c["target"]["node"], c["target"]["path"]): read_accessor(
            document, data, clip["samplers"][c["sampler"]]["output"]
        )
        for c in clip["channels"]
    }
    times = read_accessor(document, data, clip["samplers"][0]["input"])
    targets = document["meshes"][0]["extras"]["targetNames"]
    table = outputs[node["Wolf3D_Head"], "weights"].reshape(len(times), -1)
    for i in (0, 13, 30, 47):
        curves, angles = performance.at(float(times[i]))
        for name in ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft"):
            assert table[i, targets.index(name)] == pytest.approx(curves[name], abs=1e-5)
        parts = [Rotation.from_quat(outputs[node[joint], "rotation"][i]) for joint in ("Neck", "Head")]
        whole = Rotation.from_matrix(rotation_from_euler(*angles.astype(float)))
        np.testing.assert_allclose((parts[0] * parts[1]).as_matrix(), whole.as_matrix(), atol=1e-5)
        assert parts[0].magnitude() == pytest.approx(NECK_SHARE * whole.magnitude(), abs=1e-5)


def test_idle_loops(glb):
    document, data = read_glb_file(glb)
    clip = next(a for a in document["animations"] if a["name"] == "idle")
    for sampler in clip["samplers"]:
        values = read_accessor(document, data, sampler["output"])
        np.testing.assert_allclose(values[0], values[-1], atol=1e-5)
        assert np.abs(np.diff(values, axis=0)).max() < 0.01


def test_tangents_follow_the_picture(expected):
    """Moving along the tangent moves right in the picture; normal x tangent x w points up in it."""
    mesh = expected.mesh("head")
    result = tangents(mesh)
    np.testing.assert_allclose((result[:, :3] * mesh.normals).sum(1), 0, atol=1e-5)
    a, b, c = (mesh.positions[mesh.faces[:, i]] for i in range(3))
    solved = np.linalg.lstsq  # gradient of u and v on one triangle, in its plane
    good = 0
    for face in range(0, len(mesh.faces), 97):
        edges = np.stack([b[face] - a[face], c[face] - a[face]])
        uv = mesh.uvs[mesh.faces[face]]
        gradient = solved(edges, np.stack([uv[1] - uv[0], uv[2] - uv[0]]), rcond=None)[0]
        vertex = mesh.faces[face, 0]
        up = np.cross(mesh.normals[vertex], result[vertex, :3]) * result[vertex, 3]
        good += (result[vertex, :3] @ gradient[:, 0] > 0) and (up @ gradient[:, 1] < 0)
    assert good > 0.95 * len(range(0, len(mesh.faces), 97))


def test_long_performances_do_not_swell_the_file(avatar, performance, tmp_path):
    repeat = 300  # ten minutes
    long = replace(
        performance,
        curves={name: np.tile(curve, repeat) for name, curve in performance.curves.items()},
        head=np.tile(performance.head, (repeat, 1)),
    )
    write_glb(avatar, long, tmp_path / "a.glb")
    assert (tmp_path / "a.glb").stat().st_size < 15e6


def test_image_formats(avatar, tmp_path):
    for image_format in ("jpeg", "png", "webp"):
        write_glb(avatar, None, tmp_path / "a.glb", ExportConfig(image_format=image_format, texture_size=64))
        again = read_glb(tmp_path / "a.glb")
        assert {max(picture.shape[:2]) for picture in again.textures.values()} == {64}
        document, _ = read_glb_file(tmp_path / "a.glb")
        assert document.get("extensionsRequired", []) == (["EXT_texture_webp"] if image_format == "webp" else [])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"formats": ("gbl",)}, "format 'gbl' is not known; expected one of glb, vrm"),
        ({"profile": "unity"}, "profile 'unity' is not known; expected one of rpm, mixamo"),
        ({"licence": "mit"}, "licence 'mit' is not known; expected one of strict, open"),
        ({"pose": "X"}, "pose 'X' is not known; expected one of T, A"),
        ({"image_format": "gif"}, "image_format 'gif' is not known; expected one of jpeg, webp, png"),
        ({"texture_size": 4}, "texture_size is 4; expected 16 to 8192 pixels"),
    ],
)
def test_wrong_knobs(wrong, text):
    with pytest.raises(InputError) as raised:
        ExportConfig(**wrong)
    assert str(raised.value).startswith(text)


def test_a_place_that_cannot_be_written(avatar, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"taken: cannot be written .*; choose another --out"):
        export_files(avatar, None, tmp_path / "taken", ExportConfig())


def test_not_a_glb(tmp_path, glb):
    (tmp_path / "a.glb").write_text("hello")
    with pytest.raises(InputError, match="not a GLB file"):
        read_glb(tmp_path / "a.glb")
    (tmp_path / "b.glb").write_bytes(glb.read_bytes()[:-100])
    with pytest.raises(InputError, match="a damaged GLB"):
        read_glb(tmp_path / "b.glb")


def test_khronos_validator(avatar, performance, tmp_path):
    files = []
    for profile, pose, image_format in (("rpm", "T", "jpeg"), ("rpm", "A", "webp"), ("mixamo", "T", "png")):
        files.append(tmp_path / f"{profile}-{pose}-{image_format}.glb")
        config = ExportConfig(profile=profile, pose=pose, image_format=image_format, texture_size=64)
        write_glb(avatar, performance, files[-1], config)
    for report in validate(*files):
        assert (report["errors"], report["warnings"]) == (0, 0), report["messages"]


def test_three_js(glb, expected, performance, tmp_path):
    """three.js puts every vertex where we do, morphed and posed; jawOpen is seen to move the jaw and nothing else."""
    nod = {"Neck": list(Rotation.from_rotvec([0.2, 0.3, 0]).as_quat()), "LeftArm": [0.3, 0, 0, 0.954]}
    poses = [
        {"weights": {}},
        {"weights": {"jawOpen": 0.5, "mouthSmileLeft": 1}, "turns": nod},
        {"weights": {"viseme_O": 1, "eyesLookUp": 0.7}},
    ]
    of = [mesh_name(name) for name in ("head", "teeth", "eye_left", "body", "tongue")]
    camera = {"width": 300, "height": 300, "focal": 700}
    height = expected.about["head_lift"] + 1.67
    camera["camera_from_world"] = [[1, 0, 0, 0], [0, -1, 0, height], [0, 0, -1, 0.9]]
    pictures = [{"name": "still.png"}, {"name": "jaw.png", "weights": {"jawOpen": 0.6}}]
    request = {"files": {"avatar": str(glb)}, "of": of, "poses": poses, "camera": camera, "pictures": pictures}
    answer = in_browser("three.html", {**request, "play": {"clip": "performance", "seconds": 1.0}}, tmp_path)
    assert answer["scene"] == "Armature"
    assert set(answer["meshes"]["Wolf3D_Head"]) == set(load_body().names("action")) | set(MIXES)
    assert set(expected.skeleton.names) == set(answer["bones"])

    for pose, found in zip(poses, answer["poses"], strict=True):
        ours = posed(expected, pose["weights"], pose.get("turns", {}))
        for name in ("head", "teeth", "eye_left", "body", "tongue"):
            theirs = np.array(found[mesh_name(name)]).reshape(-1, 3)
            np.testing.assert_allclose(theirs, ours[name], atol=1e-4, err_msg=name)

    curves, angles = performance.at(1.0)
    turn = Rotation.from_matrix(rotation_from_euler(*angles.astype(float))).as_rotvec()
    turns = {"Neck": Rotation.from_rotvec(NECK_SHARE * turn).as_quat()}
    turns["Head"] = Rotation.from_rotvec((1 - NECK_SHARE) * turn).as_quat()
    ours = posed(expected, curves, turns)["head"]
    np.testing.assert_allclose(np.array(answer["played"]["Wolf3D_Head"]).reshape(-1, 3), ours, atol=1e-4)

    still, jaw = (read_png(tmp_path / name)[..., :3].astype(int) for name in ("still.png", "jaw.png"))
    changed = np.abs(still - jaw).max(2) > 12
    nose = 150 - 700 * (1.69 - 1.67) / 0.73  # picture row of a point 20 mm above the middle, at the face's depth
    assert changed.mean() > 0.01
    assert changed[: round(nose)].sum() < 0.02 * changed.sum(), "the upper face must stay"
    assert np.ptp(still) > 60, "the picture is not empty"
