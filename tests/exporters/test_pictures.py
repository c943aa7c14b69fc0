"""Six expressions drawn by three.js from the file, and by our own rasteriser from the avatar: the same pictures."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from digitalme.artifacts import Camera
from digitalme.artifacts.files import read_png
from digitalme.exporters.glb import write_glb
from digitalme.exporters.pose import pose_mesh, stand
from digitalme.exporters.profiles import with_speech_morphs
from digitalme.rendering.scene import Drawable, draw
from tests.exporters.clients import in_browser

EXPRESSIONS = {
    "still": {},
    "jaw": {"jawOpen": 0.6},
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "pucker": {"mouthPucker": 0.9, "browInnerUp": 0.8},
    "oh": {"viseme_O": 1.0, "eyesLookUp": 0.8},
}
LOWEST = 0.95
"""Structural similarity; 0.99 was measured."""


def own_picture(avatar, camera, weights, background):
    drawables = []
    for mesh in avatar.meshes:
        material = mesh.material
        drawables.append(
            Drawable(
                positions=pose_mesh(mesh, avatar.skeleton, avatar.skeleton.world_from_joint.astype(float), weights),
                faces=mesh.faces,
                uvs=mesh.uvs,
                texture=avatar.textures[material.texture] if material.texture else None,
                color=tuple(material.base_color),
                blend=material.alpha_mode.lower(),
                alpha_cutoff=material.alpha_cutoff,
                cull=not material.double_sided,
            )
        )
    return draw(drawables, camera, background)


def test_three_js_shows_what_we_show(avatar, tmp_path):
    ready = with_speech_morphs(stand(avatar, "T"))
    write_glb(avatar, None, tmp_path / "a.glb")
    size, focal, height = 384, 1400.0, 1.70 + ready.about["head_lift"]
    camera_from_world = np.array([[1.0, 0, 0, 0], [0, -1, 0, height], [0, 0, -1, 1.2]])
    camera = Camera(focal, size, size, camera_from_world)
    request = {
        "files": {"avatar": str(tmp_path / "a.glb")}, "flat": True, "of": [], "background": "#808080",
        "camera": {"width": size, "height": size, "focal": focal, "camera_from_world": camera_from_world.tolist()},
        "pictures": [{"name": f"{name}.png", "weights": weights} for name, weights in EXPRESSIONS.items()],
    }  # fmt: skip
    in_browser("three.html", request, tmp_path)
    ours = {name: own_picture(ready, camera, weights, (128, 128, 128)) for name, weights in EXPRESSIONS.items()}
    theirs = {name: read_png(tmp_path / f"{name}.png")[..., :3] for name in EXPRESSIONS}

    def likeness(a, b):
        return structural_similarity(a, b, channel_axis=2)

    for name in EXPRESSIONS:
        assert likeness(theirs[name], ours[name]) >= LOWEST, name
        # and each is nearer to its own picture than to any other expression's
        others = [likeness(theirs[name], ours[other]) for other in EXPRESSIONS if other != name]
        assert likeness(theirs[name], ours[name]) > max(others), name


@pytest.mark.slow
def test_the_same_for_a_groomed_avatar(astronaut_avatar, tmp_path):
    test_three_js_shows_what_we_show(astronaut_avatar, tmp_path)
