"""The differentiable rasteriser: gradients against closed forms and finite differences, and a fit by descent."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from digitalme.artifacts import Camera  # noqa: E402
from digitalme.rendering.diff_raster import antialias, interpolate, project, rasterise  # noqa: E402

SQUARE = torch.tensor([[0, 1, 2], [0, 2, 3]])


def square(left, top, right, bottom):
    x, y = torch.stack([left, right, right, left]), torch.stack([top, top, bottom, bottom])
    return torch.stack([x, y, torch.ones_like(x)], 1)


def mask(points, faces=SQUARE, size=32):
    seen = rasterise(points, faces, size, size)
    return antialias(interpolate(torch.ones(len(points), 1, dtype=points.dtype), seen), seen)[..., 0]


def test_area_of_a_square_and_its_gradient_are_exact():
    sides = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (7.3, 9.8, 22.6, 25.1)]
    area = mask(square(*sides)).sum()
    left, top, right, bottom = (float(v.detach()) for v in sides)
    # half-covered corners count once for each side: a fraction of a pixel at each of the four
    assert float(area.detach()) == pytest.approx((right - left) * (bottom - top), abs=0.3)
    area.backward()
    gradient = [float(v.grad) for v in sides]
    height, width = bottom - top, right - left
    np.testing.assert_allclose(gradient, [-height, -width, height, width], atol=1.0)


def test_gradients_of_vertices_and_colours_match_finite_differences():
    rng = np.random.default_rng(3)
    points = torch.tensor([[4.3, 5.2, 1.0], [27.7, 8.1, 2.0], [21.4, 27.3, 1.5], [6.6, 24.9, 1.2]], dtype=torch.float64)
    colors = torch.tensor(rng.uniform(0, 1, (4, 3)))
    weight = torch.tensor(rng.normal(size=(32, 32, 3)))

    def loss(points, colors):
        seen = rasterise(points, SQUARE, 32, 32)
        return (antialias(interpolate(colors, seen), seen) * weight).sum()

    moving, painted = points.clone().requires_grad_(), colors.clone().requires_grad_()
    loss(moving, painted).backward()
    for tensor, gradient, other in ((points, moving.grad, "points"), (colors, painted.grad, "colors")):
        for i in range(4):
            for k in range(3):
                step = torch.zeros_like(tensor)
                step[i, k] = 1e-5
                args = ((points + step, colors), (points - step, colors)) if other == "points" else (
                    (points, colors + step), (points, colors - step))  # fmt: skip
                numeric = float(loss(*args[0]) - loss(*args[1])) / 2e-5
                assert float(gradient[i, k]) == pytest.approx(numeric, rel=2e-3, abs=2e-3), (other, i, k)


def test_edge_between_two_surfaces_blends_their_colours():
    one = square(*(torch.tensor(v) for v in (4.0, 4.0, 16.25, 28.0)))
    two = square(*(torch.tensor(v) for v in (8.0, 8.0, 30.0, 24.0)))
    two[:, 2] = 2
    points, faces = torch.cat([one, two]), torch.cat([SQUARE, SQUARE + 4])
    colors = torch.tensor([[1.0]] * 4 + [[0.25]] * 4)
    seen = rasterise(points, faces, 32, 32)
    row = antialias(interpolate(colors, seen), seen)[16, :, 0]
    assert row[14:19].tolist() == pytest.approx([1, 1, 0.25 + 0.25 * 0.75, 0.25, 0.25])


def test_barycentrics_are_those_of_the_rasteriser():
    from digitalme.rendering.raster import rasterise_ids

    points = torch.tensor([[4.3, 5.2, 0.5], [27.7, 8.1, 4.0], [11.4, 27.3, 1.5]])
    faces = torch.tensor([[0, 1, 2]])
    seen = rasterise(points, faces, 32, 32)
    _, bary, _ = rasterise_ids(points.numpy(), faces.numpy(), 32, 32)
    np.testing.assert_allclose(seen.bary, bary.reshape(-1, 3)[seen.pixels], atol=5e-3)  # corners there are snapped


def test_descent_finds_a_ball_from_its_silhouette():
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices, faces = torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(np.array(ball.faces))
    camera = Camera(96.0, 64, 64, np.eye(3, 4))

    def picture(place, radius):
        seen = rasterise(project(vertices * radius + place, camera), faces, 64, 64)
        return antialias(interpolate(torch.ones(len(vertices), 1), seen), seen)

    target = picture(torch.tensor([0.13, -0.08, 3.0]), torch.tensor(0.52))
    place, radius = torch.tensor([0.0, 0.0, 3.0], requires_grad=True), torch.tensor(0.40, requires_grad=True)
    optimiser = torch.optim.Adam([place, radius], 0.02)
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 0.02 * 0.95**step
        optimiser.zero_grad()
        (picture(place, radius) - target).square().mean().backward()
        place.grad[2] = 0  # depth and radius look the same
        optimiser.step()
    assert place.detach()[:2].tolist() == pytest.approx([0.13, -0.08], abs=0.004)
    assert float(radius.detach()) == pytest.approx(0.52, abs=0.004)
