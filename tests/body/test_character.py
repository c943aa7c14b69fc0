"""The base avatar against the body model it is made of."""

import numpy as np
import pytest

from digitalme.artifacts import Avatar
from digitalme.body.character import HUMANOID, JOINT_NAMES, TRUNK, base_avatar
from digitalme.body.model import load_body

SHAPE = {"gender-": 0.7, "age+": 0.4, "height+": 0.6, "asian": 0.8, "nose-hump-decr|incr": 0.0}


@pytest.fixture(scope="module")
def shape():
    return {name: value for name, value in SHAPE.items() if name in load_body().shape_names}


@pytest.fixture(scope="module")
def avatar(shape):
    return base_avatar(shape)


def test_every_vertex_is_the_body_models(avatar, shape):
    vertices = load_body().vertices(shape)
    for mesh in avatar.meshes:
        np.testing.assert_allclose(mesh.positions, vertices[mesh.body_vertices], atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)


def test_every_action_moves_the_avatar_as_it_moves_the_model(avatar):
    model = load_body()
    for name in model.names("action"):
        moved = model.displacement(name)
        for mesh in avatar.meshes:
            expected = moved[mesh.body_vertices]
            got = mesh.morphs[name].dense(len(expected)) if name in mesh.morphs else np.zeros_like(expected)
            np.testing.assert_allclose(got, expected, atol=2e-6)


def test_seams_are_closed(avatar):
    """Vertices that meshes share agree in position, normal, weights: no crack when the neck bends."""
    seen: dict[int, tuple] = {}
    shared = 0
    for name in ("head", "body", "mouth", "sockets"):
        mesh = avatar.mesh(name)
        for i, vertex in enumerate(mesh.body_vertices):
            skin = np.zeros(len(JOINT_NAMES))
            np.add.at(skin, mesh.joints[i], mesh.weights[i])
            if vertex in seen:
                shared += 1
                for mine, theirs in zip((mesh.positions[i], mesh.normals[i], skin), seen[vertex], strict=True):
                    np.testing.assert_array_equal(mine, theirs)
            seen[vertex] = (mesh.positions[i], mesh.normals[i], skin)
    assert shared > 100


def test_skin_weights(avatar):
    for mesh in avatar.meshes:
        np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-6)
        assert (mesh.weights >= 0).all()
        assert mesh.joints.min() >= 0
        assert mesh.joints.max() < len(JOINT_NAMES)
    head = JOINT_NAMES.index("Head")
    assert (avatar.mesh("teeth").joints[:, 0] == head).all()
    assert (avatar.mesh("teeth").weights[:, 0] == 1).all()
    assert (avatar.mesh("eye_left").joints[:, 0] == JOINT_NAMES.index("LeftEye")).all()


def test_model_joints_are_each_taken_over_once():
    taken = [source for _, _, sources in HUMANOID for source in sources]
    assert sorted(taken) == sorted(load_body().joint_names)


def test_bones_point_along_y_and_mirror(avatar):
    skeleton = avatar.skeleton
    frame = dict(zip(skeleton.names, skeleton.world_from_joint.astype(float), strict=True))
    for matrix in frame.values():
        np.testing.assert_allclose(matrix[:3, :3].T @ matrix[:3, :3], np.eye(3), atol=1e-6)
        assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1, abs=1e-5)
    for bone, child in (("LeftArm", "LeftForeArm"), ("RightForeArm", "RightHand"), ("LeftUpLeg", "LeftLeg"),
                        ("RightLeg", "RightFoot"), ("LeftHandIndex1", "LeftHandIndex2")):  # fmt: skip
        along = frame[child][:3, 3] - frame[bone][:3, 3]
        np.testing.assert_allclose(along / np.linalg.norm(along), frame[bone][:3, 1], atol=1e-5)
    for name in TRUNK:
        np.testing.assert_allclose(frame[name][:3, :3], np.eye(3), atol=1e-6)
    mirror = np.diag([-1.0, 1, 1])
    for name in JOINT_NAMES:
        if name.startswith("Left"):
            right = frame["Right" + name[4:]]
            np.testing.assert_allclose(mirror @ frame[name][:3, 3], right[:3, 3], atol=2e-3)
            # also mirrored across the bone's own YZ plane: opposite limbs bend by opposite signs about Y and Z
            np.testing.assert_allclose(mirror @ frame[name][:3, :3] @ mirror, right[:3, :3], atol=3e-2)


def test_faces_look_outwards(avatar):
    head = avatar.mesh("head")
    nose = np.argmax(head.positions[:, 2])
    assert head.normals[nose, 2] > 0.8
    a, b, c = (head.positions[head.faces[:, i]] for i in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), head.normals[head.faces[:, 0]]) > 0).mean() > 0.98


def test_head_texture_square(avatar):
    """The head's UVs fill the likeness's square; the body's colour continues the texture at the neck."""
    uvs = avatar.mesh("head").uvs
    assert uvs.min() > 0
    assert uvs.max() < 1
    assert np.ptp(uvs, axis=0).min() > 0.9
    albedo = np.full((64, 64, 3), (200, 150, 120), np.uint8)
    painted = base_avatar({}, head_albedo=albedo)
    np.testing.assert_allclose(painted.mesh("body").material.base_color[:3], np.array([200, 150, 120]) / 255)
    assert painted.mesh("head").material.texture == "head"


def test_survives_a_round_trip_through_the_store(avatar, tmp_path):
    avatar.save(tmp_path)
    again = Avatar.load(tmp_path)
    assert again.skeleton.names == avatar.skeleton.names
    for mine, theirs in zip(avatar.meshes, again.meshes, strict=True):
        np.testing.assert_array_equal(mine.positions, theirs.positions)
        assert mine.material == theirs.material
        assert mine.morphs.keys() == theirs.morphs.keys()
