"""One small person and one short performance for all exporters."""

import numpy as np
import pytest

from digitalme.artifacts import Performance
from digitalme.body.character import base_avatar
from digitalme.body.model import load_body


@pytest.fixture(scope="session")
def avatar():
    """A painted head, so that texture, normal map and flat colours are all there."""
    rng = np.random.default_rng(7)
    albedo = np.full((256, 256, 3), (205, 160, 138), np.uint8)
    albedo[::16] = (150, 110, 95)
    normal_map = np.full((128, 128, 3), (128, 128, 255), np.uint8)
    normal_map[..., :2] += rng.integers(0, 4, (128, 128, 2)).astype(np.uint8)
    return base_avatar({"gender-": 0.6, "age+": 0.2}, name="test", head_albedo=albedo, head_normal_map=normal_map)


@pytest.fixture(scope="session")
def performance():
    """Two seconds: the jaw swings, the eyes blink once, the head turns and nods."""
    t = np.arange(121) / 60
    curves = {name: np.zeros(121, np.float32) for name in load_body().names("action")}
    curves["jawOpen"] = (0.25 - 0.25 * np.cos(7 * t)).astype(np.float32)
    curves["eyeBlinkLeft"] = curves["eyeBlinkRight"] = np.exp(-(((t - 1) / 0.06) ** 2)).astype(np.float32)
    head = np.stack([0.1 * np.sin(3 * t), 0.3 * np.sin(2 * t), 0.05 * np.cos(t)], 1).astype(np.float32)
    return Performance(60.0, curves, head, {})
