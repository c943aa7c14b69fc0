"""The CPU rasteriser against closed forms: coverage, depth, perspective, shared edges, clipping, order."""

import numpy as np
import pytest

from digitalme.artifacts import Camera
from digitalme.rendering.raster import rasterise_ids
from digitalme.rendering.scene import Drawable, Scene, Surface, draw, mip_chain, vertex_normals


def camera(size=64, focal=64.0):
    """At the origin, looking along +Z of the world (world and camera frame are the same)."""
    return Camera(focal, size, size, np.eye(3, 4))


def flat(points, depth=1.0):
    """Picture points (x, y) of camera() as world points at a depth."""
    points = np.asarray(points, float)
    return np.concatenate([(points - 32) / 64 * depth, np.full((len(points), 1), depth)], 1)


def test_pixel_centres_inside_a_triangle_are_the_covered_ones():
    corners = np.array([[3.3, 5.1, 2.0], [55.7, 12.9, 2.0], [20.2, 60.4, 2.0]])
    face_id, bary, depth = rasterise_ids(corners, np.array([[0, 1, 2]]), 64, 64)
    y, x = np.mgrid[:64, :64] + 0.5
    weights = np.linalg.solve(
        np.vstack([corners[:, :2].T, np.ones(3)]), np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    )
    weights = weights.T.reshape(64, 64, 3)
    clear = np.abs(weights).min(2) > 1e-3  # corners are snapped to 1/256 pixel
    assert np.array_equal((face_id == 0)[clear], (weights > 0).all(2)[clear])
    inside = face_id == 0
    np.testing.assert_allclose(bary[inside], weights[inside], atol=2e-3)
    np.testing.assert_allclose(depth[inside], 2.0, rtol=1e-6)
    assert np.isinf(depth[~inside]).all()


@pytest.mark.parametrize("perspective", [True, False])
def test_barycentrics_and_depth_of_a_slanted_triangle(perspective):
    corners = np.array([[2.0, 2.0, 0.5], [62.0, 4.0, 4.0], [10.0, 61.0, 1.5]])
    face_id, bary, depth = rasterise_ids(corners, np.array([[0, 1, 2]]), 64, 64, perspective=perspective)
    y, x = np.nonzero(face_id == 0)
    here = np.einsum("nk,kc->nc", bary[y, x].astype(float), corners)
    np.testing.assert_allclose(bary[y, x].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(depth[y, x], here[:, 2], rtol=1e-4)
    if perspective:  # the closed form: unproject the corners, and the point must lie on the ray through the pixel
        space = np.c_[corners[:, :2] * corners[:, 2:], corners[:, 2]]
        here = bary[y, x].astype(float) @ space
        here[:, :2] /= here[:, 2:]
    np.testing.assert_allclose(here[:, :2], np.c_[x, y] + 0.5, atol=0.02)


def test_texture_is_perspective_correct():
    """A floor whose texture is a ramp along the depth: the colour at a row is known in closed form."""
    floor = np.array([[-9.0, 1, 1], [9, 1, 1], [9, 1, 8], [-9, 1, 8]])
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    uvs = np.array([[0.5, 0], [0.5, 0], [0.5, 1], [0.5, 1]])
    picture = draw(
        [Drawable(floor, np.array([[0, 1, 2], [0, 2, 3]]), uvs=uvs, texture=ramp, cull=False)], camera(), (0, 0, 0)
    )
    rows = np.arange(42, 60)
    depth = 64 / (rows + 0.5 - 32)  # y = 1
    expected = (depth - 1) / 7 * 256 - 0.5
    assert np.abs(picture[rows, 32, 0] - expected).max() < 3  # the mip level's texels are wider


def test_shared_edges_leave_no_hole_and_are_blended_once():
    rng = np.random.default_rng(4)
    n = 9
    grid = np.stack(np.meshgrid(np.linspace(-8, 72, n), np.linspace(-8, 72, n)), -1)
    grid[1:-1, 1:-1] += rng.uniform(-3.5, 3.5, (n - 2, n - 2, 2))
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    faces = np.concatenate([np.c_[a, b, c], np.c_[a, c, d]])
    sheet = Drawable(flat(grid.reshape(-1, 2)), faces, color=(1, 1, 1, 0.5), blend="blend", cull=False)
    picture = draw([sheet], camera(), (0, 0, 0))
    assert set(np.unique(picture)) == {128}
    sheet.depth_write = False  # then the depth test cannot hide a second cover
    assert set(np.unique(draw([sheet], camera(), (0, 0, 0)))) == {128}


def test_edges_have_the_covered_part_of_a_pixel():
    """A vertical edge moved through a pixel: each quarter of a pixel adds one of four samples."""
    levels = []
    for shift in np.linspace(0, 1, 9):
        box = Drawable(
            flat([[10, 10], [30 + shift, 10], [30 + shift, 50], [10, 50]]), np.array([[0, 1, 2], [0, 2, 3]]), cull=False
        )
        levels.append(int(draw([box], camera(), (0, 0, 0))[30, 30, 0]))
    assert levels == sorted(levels)
    assert levels[0] == 0
    assert levels[-1] == 255
    assert {64, 128, 191} <= set(levels)


def test_nearer_surface_wins_in_any_order_and_blending_follows_the_order():
    near = Drawable(flat([[0, 0], [64, 0], [0, 64]], 1.0), np.array([[0, 1, 2]]), color=(1, 0, 0), cull=False)
    far = Drawable(flat([[0, 0], [64, 0], [0, 64]], 2.0), np.array([[0, 1, 2]]), color=(0, 1, 0), cull=False)
    assert np.array_equal(draw([near, far], camera()), draw([far, near], camera()))
    assert draw([near, far], camera())[10, 10].tolist() == [255, 0, 0]
    far.depth_bias = 1.5
    assert draw([near, far], camera())[10, 10].tolist() == [0, 255, 0]
    near.blend, near.color, far.depth_bias = "blend", (1, 0, 0, 0.25), 0
    assert draw([far, near], camera())[10, 10].tolist() == [64, 191, 0]
    far.hidden = True
    assert draw([far, near], camera(), (0, 0, 0))[10, 10].tolist() == [64, 0, 0]


def test_back_faces_are_left_out():
    facing = Drawable(flat([[5, 5], [5, 60], [60, 5]]), np.array([[0, 1, 2]]), color=(0, 0, 0))
    assert draw([facing], camera())[20, 20, 0] == 0
    facing = Drawable(facing.positions, np.array([[0, 2, 1]]), color=(0, 0, 0))
    assert draw([facing], camera())[20, 20, 0] == 255


def test_triangle_through_the_near_plane_is_cut_not_dropped():
    """A long floor from behind the camera to the horizon fills the lower half; its far part alone gives the same."""
    colors = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    through = np.array([[-500.0, 1, -30], [500, 1, -30], [500, 1, 50], [-500, 1, 50]])
    whole = draw([Drawable(through, faces, colors=colors, cull=False)], camera(), (0, 255, 0))
    assert (whole[34:, :, 1] == 0).all()
    depth = 64 / (np.arange(40, 64) + 0.5 - 32)
    expected = 255 * (depth + 30) / 80
    np.testing.assert_allclose(whole[40:, 32, 2], expected, atol=1.5)
    behind = through - [0, 0, 60]
    assert (draw([Drawable(behind, faces, cull=False)], camera(), (0, 255, 0)) == (0, 255, 0)).all()


def test_cut_out_edge_follows_the_alpha():
    texture = np.zeros((64, 64, 4), np.uint8)
    texture[..., :3] = 255
    texture[..., 3] = np.linspace(0, 255, 64)[None]
    quad = flat([[0, 0], [64, 0], [64, 64], [0, 64]])
    sheet = Drawable(
        quad, np.array([[0, 1, 2], [0, 2, 3]]), uvs=np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]), texture=texture,
        blend="mask", alpha_cutoff=0.5, cull=False,
    )  # fmt: skip
    row = draw([sheet], camera(), (0, 0, 0))[30, :, 0].astype(int)
    assert row[:15].max() == 0
    assert row[-15:].min() == 255
    assert abs(row.sum() / 255 - 32) < 1


def test_same_picture_bit_for_bit_with_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 0.5], [1, 1, 3], (600, 3))
    faces = rng.integers(0, 600, (400, 3))
    scene = Scene(
        [Drawable(points, faces, color=(0.8, 0.5, 0.3, 0.6), blend="blend", cull=False, surface=Surface("lit"))]
    )
    first = scene.draw(camera(200, 150.0))
    assert np.array_equal(first, scene.draw(camera(200, 150.0)))
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert np.array_equal(first, scene.draw(camera(200, 150.0)))


def test_vertex_normals_of_a_sphere_point_outwards():
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(ball.vertices, ball.faces)
    assert (normals * ball.vertices).sum(1).min() > 0.999


def test_lit_sphere_is_brightest_where_it_faces_the_lamp():
    trimesh = pytest.importorskip("trimesh")
    from digitalme.rendering.scene import Lamp, Lighting

    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
    surface = Surface("lit", specular=0, wrap=0.0)
    # the camera looks along +Z: a lamp behind it, to the right and above in the picture (y runs down)
    light = Lighting((Lamp((0.6, -0.5, -1), (1, 1, 1)),), sky=(0, 0, 0), ground=(0, 0, 0))
    picture = draw(
        [Drawable(ball.vertices + np.array([0, 0, 2.0]), ball.faces, color=(0.5,) * 3, surface=surface)],
        camera(256, 512.0),
        (0, 0, 0),
        light,
    )
    y, x = np.argwhere(picture[..., 0] == picture[..., 0].max()).mean(0)
    toward = np.array([0.6, -0.5, -1]) / np.linalg.norm([0.6, -0.5, 1])
    point = toward * 0.4 + np.array([0, 0, 2.0])
    np.testing.assert_allclose([x, y], 128 + 512 * point[:2] / point[2] - 0.5, atol=2)


def test_mip_levels_keep_colour_beside_holes():
    image = np.zeros((8, 8, 4), np.uint8)
    image[:, :3] = (200, 100, 50, 255)
    for level in mip_chain(image)[:3]:
        seen = level[..., 3] > 0
        assert np.abs(level[seen][:, :3].astype(int) - (200, 100, 50)).max() <= 2


def test_messages_say_what_was_expected():
    with pytest.raises(ValueError, match=r"background: expected \(64, 64, 3\) uint8, got \(4, 4, 3\) uint8"):
        draw([], camera(), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="needs uvs"):
        draw([Drawable(np.zeros((3, 3)), np.array([[0, 1, 2]]), texture=np.zeros((4, 4, 3), np.uint8))], camera())
