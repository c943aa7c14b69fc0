"""Facial hair on synthetic faces: it grows where its style says, off the lips, moves with the skin, is recognised."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.beard import BEARD_STYLES, STYLES, beard_field, beard_meshes, beard_style
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.rendering.pose import Rig
from tests.body.people import HAIR, bare_avatar, seen_meshes, synthetic_person


@pytest.fixture(scope="module")
def face():
    model = load_body()
    return bare_avatar({}), settle_mouth(model.vertices({}), model)


def shaven_portrait():
    return synthetic_person({"gender+": 0.6}, "short")[0]


def bearded(portrait, style, color):
    """The portrait with this style painted on: each skin pixel takes the field of the nearest landmark's depth."""
    marks = portrait.landmarks.astype(np.float64)
    scale = 0.115 / np.linalg.norm(marks[152, :2] - marks[10, :2])  # about 115 mm of face
    h, w = portrait.image.shape[:2]
    columns, rows = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    world = marks[:468] * np.array([scale, -scale, -scale])
    flat = np.stack([columns.ravel() * scale, -rows.ravel() * scale, np.zeros(h * w)], 1)
    flat[:, 2] = world[1, 2]  # all in front: only the frontal outline of the style matters here
    field = beard_field(flat, world, STYLES[style]).reshape(h, w) * (portrait.skin > 0.5)
    field = cv2.GaussianBlur(field.astype(np.float32), (0, 0), 1)[..., None]
    image = portrait.image * (1 - 0.85 * field) + 255 * np.array(color) * 0.85 * field
    return replace(portrait, image=np.round(image).astype(np.uint8))


@pytest.mark.parametrize("style", ["moustache", "goatee", "short"])
def test_a_painted_beard_is_recognised_with_its_colour(style):
    seen, color = beard_style(bearded(shaven_portrait(), style, HAIR))
    assert seen == style or {seen, style} == {"short", "full"}
    np.testing.assert_allclose(color, HAIR, atol=0.12)


def test_a_shaven_face_has_none():
    assert beard_style(shaven_portrait())[0] == "none"


@pytest.mark.parametrize("name", STYLES)
def test_it_grows_where_its_style_says_and_never_on_lips_or_nose(face, name):
    avatar, vertices = face
    mark = landmark_points(vertices)
    meshes, textures = beard_meshes(avatar.mesh("head"), vertices, name, HAIR)
    assert {mesh.material.texture for mesh in meshes} == set(textures)
    style = STYLES[name]
    assert beard_field(mark[[13, 14, 0, 17, 1, 4, 50, 280]], mark, style).max() < 0.05
    chin, lip = mark[[199]], mark[[164]] + [[0.006, 0, 0]]
    assert (beard_field(chin, mark, style)[0] > 0.5) == (style.chin > 0)
    assert beard_field(lip, mark, style)[0] > 0.4
    for mesh in meshes:
        assert np.isfinite(mesh.positions).all()
        np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-5)
    assert sum(len(mesh.faces) for mesh in meshes) < 12_000


def test_lips_and_eyes_stay_free(face):
    avatar, vertices = face
    meshes, _ = beard_meshes(avatar.mesh("head"), vertices, "full", HAIR)
    grown = replace(avatar, meshes=(*avatar.meshes, *meshes))
    from tests.body.people import close_up  # 420 x 420

    seen, bare = seen_meshes(grown, {}, close_up()), seen_meshes(avatar, {}, close_up())
    names = [mesh.name for mesh in grown.meshes]
    camera = close_up()
    lips = camera.project(landmark_points(vertices)[[0, 13, 14, 17]])[:, :2].astype(int)
    lip_pixels = seen[lips[:, 1], lips[:, 0]]
    assert (lip_pixels[1:3] == names.index("head")).all()  # where the lips meet; their edges may lie behind hairs
    for eye in ("eye_left", "eye_right"):
        assert (seen == names.index(eye)).sum() == (bare == names.index(eye)).sum()
    assert (seen == names.index("beard")).sum() > 4000


def test_it_follows_the_jaw(face):
    """Every hair keeps its distance to the skin that it grows on, whatever the face does."""
    avatar, vertices = face
    meshes, _ = beard_meshes(avatar.mesh("head"), vertices, "short", HAIR)
    grown = replace(avatar, meshes=(*avatar.meshes, *meshes))
    index = {mesh.name: i for i, mesh in enumerate(grown.meshes)}
    from scipy.spatial import cKDTree

    rest, opened = Rig(grown).pose({}), Rig(grown).pose({"jawOpen": 0.6, "mouthFunnel": 0.4})
    for name, limit in (("beard_shell", 0.0012), ("beard", 0.0040)):
        before = cKDTree(rest[index["head"]].positions).query(rest[index[name]].positions)[0]
        after = cKDTree(opened[index["head"]].positions).query(opened[index[name]].positions)[0]
        assert np.abs(after - before).max() < limit


def test_none_grows_nothing(face):
    assert beard_meshes(face[0].mesh("head"), face[1], "none", HAIR) == ([], {})
    assert BEARD_STYLES[0] == "none"


def test_a_shadow_on_the_upper_lip_is_no_moustache():
    """A smile draws the lips up to the nose, into its shade."""
    portrait = shaven_portrait()
    points = portrait.landmarks[:, :2]
    lip = np.zeros(portrait.skin.shape, np.uint8)
    cv2.fillConvexPoly(
        lip, cv2.convexHull(np.round(points[[165, 92, 57, 40, 0, 270, 287, 322, 391, 164]]).astype(int)), 1
    )
    image = np.where((lip > 0)[..., None], portrait.image * 0.75, portrait.image)
    assert beard_style(replace(portrait, image=np.round(image).astype(np.uint8)))[0] == "none"
