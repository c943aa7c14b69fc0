"""Golden pictures of the body model by the CPU rasteriser. A failure writes what came and the difference beside them.

`python -m tests.golden.test_pictures` remakes them; look at them before committing.
"""

from pathlib import Path

import numpy as np
import pytest

from digitalme.artifacts.files import read_png, write_png
from digitalme.body.character import base_avatar
from digitalme.rendering.scene import Scene
from digitalme.rendering.studio import Studio, portrait_camera, studio_lighting

HERE = Path(__file__).parent
SIZE = 160
VIEWS = {
    "studio_front": ("studio", 0.0, {}),
    "studio_talking": ("studio", 0.5, {"jawOpen": 0.45, "mouthSmileLeft": 0.5, "eyeBlinkRight": 1.0}),
    "moe_front": ("moe", 0.2, {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6}),
}


def render(name: str) -> np.ndarray:
    look, yaw, weights = VIEWS[name]
    avatar = base_avatar({"age-": 0.2, "gender+": 0.3})
    camera = portrait_camera(avatar, yaw, width=SIZE, height=SIZE, span=0.36)
    studio = Studio(avatar, look)
    studio.picture(camera, weights)
    # a Scene by name: golden pictures come from the CPU path whatever this machine's default is
    return Scene(studio.scene.drawables).draw(camera, studio.background(camera), studio_lighting(camera))


@pytest.mark.parametrize("name", VIEWS)
def test_picture_is_the_golden_one(name: str):
    came, golden = render(name), read_png(HERE / f"{name}.png")
    difference = np.abs(came.astype(int) - golden)
    # other processors round differently: a few levels, a few edge pixels
    if (difference.max(2) > 6).mean() > 0.003 or difference.mean() > 0.25:
        seen = np.clip(difference * 8, 0, 255).astype(np.uint8)
        write_png(HERE / f"{name}.failed.png", np.concatenate([golden, came, seen], 1))
        pytest.fail(f"{name}: differs; golden, new and 8 x difference are in {name}.failed.png")


if __name__ == "__main__":
    for view in VIEWS:
        write_png(HERE / f"{view}.png", render(view), 9)
