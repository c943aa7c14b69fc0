"""The classifier's views lie where the eyes are, whatever the picture's size and framing."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from digitalme.models import views  # noqa: E402
from digitalme.models.text_image import VIEW_SIDE, VIEWS, AttributeClassifier  # noqa: E402


def drawn(size: int, eyes: np.ndarray) -> np.ndarray:
    """Grey, with a red disc at the picture's left eye and a blue one at the right."""
    picture = np.full((size, size, 3), 128, np.uint8)
    radius = round(0.1 * float(np.linalg.norm(eyes[1] - eyes[0])))
    for eye, color in zip(eyes, ((255, 0, 0), (0, 0, 255)), strict=True):
        cv2.circle(picture, tuple(np.round(eye).astype(int).tolist()), radius, color, -1)
    return picture


@pytest.mark.parametrize(
    ("size", "eyes"), [(512, ((210, 240), (300, 240))), (160, ((60, 70), (92, 70))), (512, ((220, 200), (290, 235)))],
    ids=["large", "small", "tilted"],
)  # fmt: skip
def test_both_eyes_fill_the_last_view(size, eyes, monkeypatch):
    eyes = np.array(eyes, float)
    monkeypatch.setattr(views, "eyes_of", lambda picture: eyes)
    found = views.views_of(drawn(size, eyes)[None])
    assert found.shape == (1, VIEWS, 3, VIEW_SIDE, VIEW_SIDE)
    close = found[0, -1].permute(1, 2, 0).numpy()
    quarter, radius = VIEW_SIDE // 4, 0.1 / views.EYE * VIEW_SIDE
    y, x = np.mgrid[:VIEW_SIDE, :VIEW_SIDE]
    for middle, color in ((quarter, (1, -1, -1)), (3 * quarter, (-1, -1, 1))):
        away = np.hypot(x - VIEW_SIDE / 2, y - middle)
        assert np.abs(close[away < 0.6 * radius] - color).max() < 0.15
        around = (away > 1.5 * radius) & (np.abs(y - middle) < quarter)
        assert np.abs(close[around]).max() < 0.1
    head = found[0, 0].permute(1, 2, 0).numpy()
    reds = np.argwhere(head[..., 0] - head[..., 2] > 0.6)
    assert reds.mean(0)[1] == pytest.approx(VIEW_SIDE * (0.5 - 0.5 / 6.4), abs=1.5)


def test_the_classifier_looks_at_every_view():
    torch.manual_seed(0)
    model = AttributeClassifier().eval()
    seen = torch.zeros(1, VIEWS, 3, VIEW_SIDE, VIEW_SIDE, requires_grad=True)
    sum(score.square().sum() for score in model(seen).values()).backward()
    assert (seen.grad.abs().sum((0, 2, 3, 4)) > 0).all()
