"""Hair styles on one head: small, outside the head, eyes free, repeatable."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.hair_cards import HAIR_STYLES, STYLES, card_meshes, grow, plant
from digitalme.body.hair_color import grain, palette_of, strands
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, moe_avatar
from digitalme.body.moe_hair import moe_hair
from digitalme.body.scalp import build_scalp, ear_vertices
from tests.body.people import HAIR, IRIS, SKIN, bare_avatar, seen_pixels


@pytest.fixture(scope="module")
def bald():
    model = load_body()
    return bare_avatar({}), build_scalp(model.vertices({}), model)


@pytest.fixture(scope="module")
def drawn():
    avatar, vertices, _ = moe_avatar({}, MoeColors(SKIN, HAIR, IRIS, HAIR), MoeStyle())
    return avatar, vertices, build_scalp(vertices, load_body())


def test_scalp_lies_on_the_head(bald):
    """Skull vertices (no ears, above the nape) are within 1.5 mm of the radius map."""
    model, scalp = load_body(), bald[1]
    ids = np.setdiff1d(model.parts["head"].vertex_ids, ear_vertices(model))
    azimuth, polar = scalp.angles(model.template[ids].astype(float))
    skull = (polar < np.radians(70)) & (np.abs(azimuth) > 0.8)
    distance = np.linalg.norm(model.template[ids] - scalp.center, axis=1)
    error = distance - scalp.sample(scalp.radius, azimuth, polar)
    assert np.abs(error[skull]).max() < 0.0015


def test_angles_undo_directions(bald):
    scalp = bald[1]
    azimuth, polar = np.meshgrid(np.linspace(-3, 3, 9), np.linspace(0.1, 2.4, 7))
    back = scalp.angles(scalp.surface(azimuth, polar, 0.01))
    np.testing.assert_allclose(back, (azimuth, polar), atol=1e-9)


def test_grain_is_like_its_sample_and_closes():
    """Tufts 3 pixels wide and 6 high: their mean, contrast and width come back, and one edge goes on at the other."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(size=(150, 200, 3)).astype(np.float32), (0, 0), sigmaX=3, sigmaY=6)
    sample = np.array([0.3, 0.2, 0.1]) + 0.05 * noise / noise.std()
    made = grain(sample, 400, 240)
    np.testing.assert_allclose(made.mean((0, 1)), sample.mean((0, 1)), atol=0.02)
    assert 0.7 < made.std() / sample.std() < 1.3

    def alike(picture, axis, by):
        light = picture.mean(2) - picture.mean()
        return (light * np.roll(light, by, axis)).mean() / (light**2).mean()

    for axis, size in ((0, 6), (1, 3)):
        assert abs(alike(made, axis, 2 * size) - np.exp(-1)) < 0.2  # Gaussian noise blurred by s: exp(-d^2 / 4 s^2)
    inner = np.abs(np.diff(made, axis=1)).mean()
    assert np.abs(made[:, 0] - made[:, -1]).mean() < 1.3 * inner


@pytest.mark.parametrize("style", STYLES)
def test_guides_start_on_the_scalp_and_stay_out_of_the_head(bald, style):
    scalp = bald[1]
    roots = plant(scalp, 200)
    guides = grow(scalp, roots, STYLES[style](roots))
    np.testing.assert_allclose(guides[:, 0], roots.points)
    points = guides[:, 2:].reshape(-1, 3)
    azimuth, polar = scalp.angles(points)
    skull = polar < np.radians(100)
    clear = np.linalg.norm(points - scalp.center, axis=1) - scalp.sample(scalp.radius, azimuth, polar)
    assert clear[skull].min() > -1e-6


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_cards_are_few_and_leave_the_eyes_free(bald, style):
    avatar, scalp = bald
    hair = card_meshes(scalp, style)
    assert sum(len(mesh.faces) for mesh in hair) <= 20_000
    seen = seen_pixels(replace(avatar, meshes=avatar.meshes + tuple(hair)), {})
    bare = seen_pixels(avatar, {})
    for eye in ("eye_left", "eye_right"):
        assert seen[eye] > 0.9 * bare[eye]
    covered = sum(seen[mesh.name] for mesh in hair)
    assert covered > 1500 if style != "bald" else covered == 0


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_drawn_hair_is_small_and_leaves_the_eyes_free(drawn, style):
    avatar, vertices, scalp = drawn
    brows = landmark_points(vertices)[[105, 334], 1].mean() - scalp.center[1]
    bare = seen_pixels(avatar, {})
    for bangs in (True, False):
        hair = moe_hair(scalp, style, bangs, brows, np.array(HAIR))
        assert sum(len(mesh.faces) for mesh in hair) <= 21_000
        seen = seen_pixels(replace(avatar, meshes=avatar.meshes + tuple(hair)), {})
        for eye in ("eye_left", "eye_right"):
            assert seen[eye] > 0.8 * bare[eye]


def test_strands_show_the_palette():
    palette = palette_of(HAIR)
    picture, _ = strands(256, 128, palette, contrast=0.9)
    np.testing.assert_allclose(np.median(picture.reshape(-1, 3), 0), palette[1], atol=0.03)
    along, across = np.abs(np.diff(picture, axis=0)).mean(), np.abs(np.diff(picture, axis=1)).mean()
    assert across > 5 * along  # strands run along v


def test_the_cap_lies_on_the_skull_at_the_temples_too(bald):
    """The smooth radius map bulges there, by a centimetre; a buzz cut would stand off in a rim."""
    scalp = bald[1]
    points = next(mesh for mesh in card_meshes(scalp, "buzz") if mesh.name == "hair_cap").positions
    _, near = scalp.skin.query(points)
    over = np.einsum("ij,ij->i", points - scalp.skin_points[near], scalp.skin_normals[near])
    assert np.quantile(over, 0.99) < 0.006
    assert over.max() < 0.008


def test_a_ponytail_is_seen_from_the_front(bald):
    """It falls beside the head (which is 8 cm wide to either side), to one side."""
    scalp = bald[1]
    roots = plant(scalp, 200)
    ends = (grow(scalp, roots, STYLES["ponytail"](roots))[:, -1] - scalp.center)[np.abs(roots.azimuth) > 40]
    assert (ends[:, 0] > 0.10).mean() > 0.8


@pytest.mark.parametrize("style", ["long", "bob"])
def test_hair_that_hangs_follows_the_head(bald, style):
    """No wings: the head is 8 cm wide to either side, and hair falls within 5 cm of that at any height."""
    scalp = bald[1]
    roots = plant(scalp, 300)
    points = grow(scalp, roots, STYLES[style](roots), 31).reshape(-1, 3) - scalp.center
    assert np.abs(points[:, 0]).max() < 0.13
    sides = points[np.abs(points[:, 1]) < 0.02]
    assert np.quantile(np.abs(sides[:, 0]), 0.95) < 0.115


def test_drawn_curls_hang_to_the_chin_and_an_afro_does_not(drawn):
    _, vertices, scalp = drawn
    mark = landmark_points(vertices)
    brows = mark[[105, 334], 1].mean() - scalp.center[1]
    low = {
        cut: moe_hair(scalp, cut, False, brows, np.array(HAIR))[1].positions[:, 1].min() for cut in ("curly", "afro")
    }
    assert low["curly"] < mark[14, 1] < low["afro"]
