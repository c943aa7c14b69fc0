"""Posing against the avatar's own morphs and rigid turns."""

import numpy as np
import pytest

from digitalme.body.character import base_avatar
from digitalme.rendering.pose import NECK_SHARE, Rig, pose_avatar
from digitalme.spaces import rotation_from_euler


@pytest.fixture(scope="module")
def avatar():
    return base_avatar({})


def test_rest_pose_is_the_bind_pose(avatar):
    for mesh, posed in zip(avatar.meshes, pose_avatar(avatar, {}), strict=True):
        np.testing.assert_allclose(posed.positions, mesh.positions, atol=1e-6)
        np.testing.assert_allclose(posed.normals, mesh.normals, atol=1e-5)


def test_weights_add_the_morphs(avatar):
    weights = {"jawOpen": 0.4, "mouthSmileLeft": 0.7, "notAShape": 1.0}
    for mesh, posed in zip(avatar.meshes, pose_avatar(avatar, weights), strict=True):
        expected = mesh.positions.astype(float)
        for name in ("jawOpen", "mouthSmileLeft"):
            if name in mesh.morphs:
                expected = expected + weights[name] * mesh.morphs[name].dense(len(expected))
        np.testing.assert_allclose(posed.positions, expected, atol=2e-6)


def test_head_turns_rigidly_and_body_stays(avatar):
    angles = (0.2, -0.5, 0.1)
    rig = Rig(avatar)
    posed = dict(zip((m.name for m in avatar.meshes), rig.pose({"jawOpen": 0.3}, angles), strict=True))
    still = dict(zip((m.name for m in avatar.meshes), rig.pose({"jawOpen": 0.3}), strict=True))
    rotation = rotation_from_euler(*angles)
    before, after = still["teeth"], posed["teeth"]
    np.testing.assert_allclose(
        after.positions - after.positions[0], (before.positions - before.positions[0]) @ rotation.T, atol=1e-6
    )
    np.testing.assert_allclose(after.normals, before.normals @ rotation.T, atol=1e-5)
    low = before.positions[:, 1].min() - 0.5
    body = still["body"].positions[:, 1] < low
    assert body.any()
    assert np.array_equal(posed["body"].positions[body], still["body"].positions[body])
    # the head's joint itself is carried by the neck's part of the turn
    neck, head = rig.head_transform(angles)
    bones = avatar.skeleton
    at_head = np.append(bones.world_from_joint[bones.names.index("Head"), :3, 3], 1)
    np.testing.assert_allclose(neck @ at_head, head @ at_head, atol=1e-9)
    np.testing.assert_allclose(neck[:, :3], rotation_from_euler(*(NECK_SHARE * np.array(angles))), atol=1e-12)


def test_normals_follow_the_surface_and_have_no_seam(avatar):
    posed = Rig(avatar).pose({"jawOpen": 0.5, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.8})
    for mesh, now in zip(avatar.meshes, posed, strict=True):
        length = np.linalg.norm(now.normals, axis=1)
        np.testing.assert_allclose(length[length > 0.1], 1, atol=1e-4)
        if mesh.name != "head":
            continue
        moved = np.linalg.norm(now.positions - mesh.positions, axis=1) > 0.003
        turned = 1 - (now.normals * mesh.normals).sum(1)
        assert turned[moved].max() > 0.05
        _, first, place = np.unique(mesh.body_vertices, return_index=True, return_inverse=True)
        np.testing.assert_allclose(now.normals, now.normals[first][place], atol=1e-5)
