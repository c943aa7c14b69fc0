"""The small radiance field: volume rendering in closed form, and a head drawn from places that it never saw."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from digitalme.artifacts import Camera  # noqa: E402
from digitalme.body.model import load_body  # noqa: E402
from digitalme.models import nerf  # noqa: E402
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler  # noqa: E402
from tests.rendering.test_refine import pictured  # noqa: E402

ORIGIN = load_body().head_center.astype(float)


def seen_from(yaw: float, size: int = 400) -> Camera:
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0.1 * np.sin(5 * yaw), yaw, 0)
    return Camera(2.0 * size, size, size, np.c_[rotation, -rotation @ ORIGIN + [0, 0, 0.75]])


def test_rays_go_through_their_pixels():
    camera = seen_from(0.4, 20)
    start, along = nerf.rays_of(camera, ORIGIN)
    points = start.numpy() + 0.6 * along.numpy() + ORIGIN
    pixels = camera.project(points)[:, :2].reshape(20, 20, 2)
    np.testing.assert_allclose(pixels[3, 7], [7.5, 3.5], atol=1e-3)


def test_light_through_an_even_fog_falls_off_exponentially():
    field = nerf.Field(8, 2)
    with torch.no_grad():
        field.density.fill_(-3.0)
    density = float(torch.nn.functional.softplus(torch.tensor(-3.0))) * 200
    start, along = torch.tensor([[0.0, 0.0, -1.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    _, opacity = nerf.rendered(field, start, along, 400, jitter=False)
    assert float(opacity.detach()) == pytest.approx(1 - np.exp(-density * 2 * nerf.HALF_BOX), rel=0.01)
    _, beside = nerf.rendered(field, start + torch.tensor([0.2, 0, 0]), along, 400, jitter=False)
    assert float(beside.detach()) == 0


def test_the_field_has_the_worlds_axes():
    """Density in one corner only is found there, not in a mirrored one."""
    field = nerf.Field(9, 2)
    with torch.no_grad():
        field.density.fill_(-30.0)
        field.density[0, 0, 8, 0, 4] = 5.0  # x at the far end, y at the near one, z in the middle
    h = nerf.HALF_BOX * 0.9999
    points = torch.tensor([[[h, -h, 0.0], [-h, h, 0.0], [0.0, -h, h], [h, 0.0, -h]]])
    density, _ = field(points, torch.zeros(1, 3))
    assert float(density[0, 0].detach()) > 100
    assert float(density[0, 1:].detach().max()) < 1


@pytest.mark.slow
def test_held_out_views_of_a_drawn_head():
    """Beyond 18 dB and well beyond the mean colour, in less than two minutes."""
    rng = np.random.default_rng(0)
    vertices = load_body().template.astype(float)
    place = vertices - ORIGIN
    colors = 120 + 60 * np.sin(place * [40, 55, 30] + [0, 1, 2]) + rng.normal(0, 4, vertices.shape)
    yaws = np.linspace(-1, 1, 11)
    shots = [(pictured(vertices, seen_from(yaw), colors), seen_from(yaw).scaled(0.16)) for yaw in yaws]
    small = [(_shrunk(p.image, 64), _shrunk(p.person, 64), camera) for p, camera in shots]
    out = {2, 5, 8}
    start = time.process_time()
    seen = [each for k, each in enumerate(small) if k not in out]
    field = nerf.train(*map(list, zip(*seen, strict=True)), ORIGIN, steps=150, rays=1024, samples=40)
    assert time.process_time() - start < 120
    found, control = [], []
    for k in out:
        image, mask, camera = small[k]
        drawn = nerf.picture(field, replace(camera), ORIGIN, 60)
        found.append(nerf.psnr(drawn, image, mask))
        control.append(nerf.psnr(np.broadcast_to(np.median(image[mask > 0.5], 0), image.shape), image, mask))
    print(f"PSNR of held-out views {np.mean(found):.1f} dB, their mean colour {np.mean(control):.1f} dB")
    assert np.mean(found) > 18
    assert np.mean(found) > np.mean(control) + 4


def _shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    import cv2

    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
