"""Photos made better, against what is known of them: noise, gaps, light, size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Photo
from digitalme.artifacts.files import write_png
from digitalme.errors import InputError, MissingExtraError
from digitalme.imaging.photo_files import decode_photo
from digitalme.imaging.restore import can_enlarge, denoised, enlarged_by_network, graded, inpainted
from digitalme.stages.restore_photo import RestorePhotoConfig, restore_photo


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """Soft shapes with edges, as in a portrait."""
    y, x = np.mgrid[:120, :96].astype(np.float32)
    picture = np.stack([120 + 0.8 * x, 90 + 0.5 * y, 200 - x], 2)
    picture[np.hypot(x - 48, y - 60) < 30] = (220, 170, 140)
    cv2.circle(picture, (38, 52), 5, (40, 60, 90), -1, cv2.LINE_AA)
    return picture.astype(np.uint8)


def off(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def photo_of(picture: np.ndarray) -> Photo:
    return Photo(cv2.imencode(".png", picture[..., ::-1])[1].tobytes(), "p.png")


def test_noise_goes_and_edges_stay(clean):
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 12, clean.shape), 0, 255).astype(np.uint8)
    assert off(denoised(noisy, 1.0), clean) < 0.5 * off(noisy, clean)
    assert denoised(noisy, 0.0) is noisy


def test_gaps_are_filled_from_around(clean, tmp_path):
    gap = np.zeros(clean.shape[:2], bool)
    gap[20:100, 10:12] = True
    scratched = np.where(gap[..., None], 255, clean).astype(np.uint8)
    assert off(inpainted(scratched, gap), clean) < 0.1 * off(scratched, clean)
    write_png(tmp_path / "gaps.png", np.where(gap, 255, 0).astype(np.uint8))
    config = RestorePhotoConfig(gaps=str(tmp_path / "gaps.png"), denoise=0, enlarge="none")
    assert off(decode_photo(restore_photo(photo_of(scratched), config).data, "").image, clean) < 0.5
    with pytest.raises(InputError, match="the photo is 50 x 60"):
        restore_photo(photo_of(clean[:60, :50]), config)


def test_grades_do_what_they_are_called(clean):
    assert graded(clean) is clean
    assert graded(clean, exposure=1).mean() > clean.mean() + 20
    warm = graded(clean, warmth=1).astype(float).mean((0, 1)) - clean.mean((0, 1))
    assert warm[0] > 5
    assert warm[2] < -5
    grey = graded(clean, saturation=-1)
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert graded(clean, contrast=1).std() > clean.std()
    assert graded(clean, contrast=-1).std() < clean.std()


def test_the_networks_enlarge_four_times_without_seams(clean):
    if not can_enlarge():
        pytest.skip("the extra is not installed")
    small = cv2.resize(np.tile(clean, (1, 3, 1)), (240, 60), interpolation=cv2.INTER_AREA)  # wider than a tile
    large = enlarged_by_network(small, "fast")
    assert large.shape == (240, 960, 3)
    assert (large == enlarged_by_network(small, "fast")).all()
    assert off(cv2.resize(large, (240, 60), interpolation=cv2.INTER_AREA), small) < 3
    left = enlarged_by_network(np.ascontiguousarray(small[:, :150]), "fast")
    assert off(left[:, 440:520], large[:, 440:520]) < 1  # across the seam of the two tiles
    made = decode_photo(restore_photo(photo_of(clean), RestorePhotoConfig(enlarge="fast")).data, "").image
    assert made.shape == (480, 384, 3)


def test_without_the_extra_its_command_is_named(clean, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    with pytest.raises(MissingExtraError, match=r'pip install "digitalme\[restore\]"'):
        restore_photo(photo_of(clean), RestorePhotoConfig(enlarge="photo"))
    assert restore_photo(photo_of(clean), RestorePhotoConfig(enlarge="auto")).data


def test_knobs_out_of_reach(clean):
    for config, words in (
        (RestorePhotoConfig(denoise=2), "denoise in 0..1"),
        (RestorePhotoConfig(enlarge="huge"), "one of photo, drawn, fast"),
        (RestorePhotoConfig(gaps="/none.png"), "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            restore_photo(photo_of(clean), config)
