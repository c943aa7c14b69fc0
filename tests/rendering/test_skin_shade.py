"""Shade is painted where skin hides itself and no photo shows it, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.body.character import base_avatar
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.scalp import ear_vertices
from digitalme.rendering.skin_shade import BODY, with_unseen_shade

GREY = 200


@pytest.fixture(scope="module")
def avatar():
    return base_avatar({}, head_albedo=np.full((1024, 1024, 3), GREY, np.uint8))


def texel(avatar, picture, body_vertex):
    head = avatar.mesh("head")
    x, y = head.uvs[np.flatnonzero(head.body_vertices == body_vertex)[0]] * len(picture)
    return picture[int(np.clip(y, 0, len(picture) - 1)), int(np.clip(x, 0, len(picture) - 1))].astype(int)


def test_folds_of_the_ear_and_the_throat_are_darker_than_the_nose(avatar):
    shaded = with_unseen_shade(avatar, np.zeros((1024, 1024), np.uint8))
    head = shaded.mesh("head")
    places = load_body().template
    points = landmark_points(places)

    def light(place):
        nearest = head.body_vertices[np.linalg.norm(places[head.body_vertices] - place, axis=1).argmin()]
        return texel(shaded, shaded.textures["head"], nearest)

    nose, throat = light(points[4]), light(points[152] + [0, -0.012, -0.035])
    assert nose.min() > 0.93 * GREY
    assert throat.max() < nose.min() - 5
    assert throat[0] > throat[2]  # redder than it is dark
    ear = np.array([texel(shaded, shaded.textures["head"], v) for v in ear_vertices(load_body())])
    assert np.percentile(ear.min(1), 15) < 0.82 * GREY
    assert np.percentile(ear.min(1), 90) > 0.9 * GREY
    body = shaded.mesh("body")
    assert body.material.texture == BODY
    assert shaded.textures[BODY].shape[2] == 3
    assert body.material.base_color == avatar.mesh("body").material.base_color


def test_what_the_photo_shows_stays_as_it_is(avatar):
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    noisy = replace(avatar, textures=avatar.textures | {"head": noise})
    seen = np.full((1024, 1024), 255, np.uint8)
    assert np.array_equal(with_unseen_shade(noisy, seen).textures["head"], noise)
    seen[:512] = 0
    half = with_unseen_shade(noisy, seen).textures["head"]
    assert np.array_equal(half[540:], noise[540:])
    assert not np.array_equal(half[:480], noise[:480])


def test_head_and_body_are_alike_along_their_seam(avatar):
    shaded = with_unseen_shade(avatar, np.zeros((1024, 1024), np.uint8))
    head, body = shaded.mesh("head"), shaded.mesh("body")
    painted = cv2.GaussianBlur(shaded.textures["head"], (0, 0), 1) / GREY
    shared = np.intersect1d(head.body_vertices, body.body_vertices)
    away = []
    for vertex in shared:
        x, y = body.uvs[np.flatnonzero(body.body_vertices == vertex)[0]] * len(shaded.textures[BODY])
        low = shaded.textures[BODY][int(np.clip(y, 0, 511)), int(np.clip(x, 0, 511))] / 255
        away.append(np.abs(low - texel(shaded, painted * 255, vertex) / 255).max())
    assert len(shared) > 20
    assert np.median(away) < 0.04
