"""The OpenGL twin against the CPU rasteriser; skipped in plain words where there is no OpenGL."""

import numpy as np
import pytest

from digitalme.body.character import base_avatar
from digitalme.errors import InputError
from digitalme.rendering import choice
from digitalme.rendering.gl import GlScene, gl_name
from digitalme.rendering.scene import Drawable, Scene
from digitalme.rendering.studio import Studio, backdrop, portrait_camera, studio_lighting


@pytest.fixture(scope="module")
def avatar():
    return base_avatar({})


@pytest.fixture
def _opengl():
    if gl_name() is None:
        pytest.skip("no OpenGL here (moderngl with EGL)")


def difference(a, b):
    """Share of pixels that differ by more than 12 levels, and the mean difference."""
    worst = np.abs(a.astype(int) - b).max(2)
    return float((worst > 12).mean()), float(worst.mean())


@pytest.mark.usefixtures("_opengl")
@pytest.mark.parametrize("look", ["studio", "moe"])
@pytest.mark.parametrize("supersample", [1, 2])
def test_avatar_looks_the_same(avatar, look, supersample, monkeypatch):
    monkeypatch.setenv("DIGITALME_RENDERER", "cpu")
    studio = Studio(avatar, look)
    camera = portrait_camera(avatar, 0.4, width=256, height=192)
    one = studio.picture(camera, {"jawOpen": 0.4}, (0, 0.2, 0), supersample=supersample)
    twin = GlScene(studio.scene.drawables)
    two = twin.draw(camera, studio.background(camera), studio_lighting(camera), supersample)
    many, mean = difference(one, two)
    assert many < (0.02 if supersample == 1 else 0.012)
    assert mean < 1.0


@pytest.mark.usefixtures("_opengl")
@pytest.mark.parametrize("blend", ["opaque", "mask", "blend"])
def test_textured_layers_look_the_same(blend):
    avatar = base_avatar({})
    camera = portrait_camera(avatar, width=200, height=160)
    y, x = np.mgrid[:64, :64]
    texture = np.stack([x * 4, y * 4, 255 - x * 4, 255 * (np.hypot(x - 32, y - 32) < 20)], -1).astype(np.uint8)
    corners = camera.camera_from_world[:, :3].T @ (
        np.array([[-0.2, -0.2, 1.6], [0.2, -0.15, 1.9], [0.2, 0.2, 1.6], [-0.2, 0.2, 1.3]]).T
        - camera.camera_from_world[:, 3:]
    )
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    sheet = Drawable(corners.T, np.array([[0, 1, 2], [0, 2, 3]]), uvs=uvs, texture=texture, blend=blend, cull=False)
    head = avatar.mesh("head")
    drawables = [Drawable(head.positions, head.faces, colors=head.positions * 0.3, uvs=head.uvs), sheet]
    background = backdrop(200, 160)
    many, mean = difference(Scene(drawables).draw(camera, background), GlScene(drawables).draw(camera, background))
    assert many < 0.03
    assert mean < 1.5


def test_renderer_says_which_it_is(monkeypatch):
    monkeypatch.setenv("DIGITALME_RENDERER", "cpu")
    assert choice.renderer_in_use() == "CPU (numba), as DIGITALME_RENDERER asks"
    assert isinstance(choice.make_scene([]), Scene)
    monkeypatch.setenv("DIGITALME_RENDERER", "vulkan")
    with pytest.raises(InputError, match="'vulkan', expected auto, cpu or gl"):
        choice.renderer_in_use()
    monkeypatch.delenv("DIGITALME_RENDERER")
    assert choice.renderer_in_use().startswith(("CPU (numba);", "OpenGL ("))
