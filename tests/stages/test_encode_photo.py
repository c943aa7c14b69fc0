"""encode_photo on the demo's photo, altered in ways that leave the answer known: turned, tilted, small, blurred..."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from digitalme.artifacts import Photo, Portrait
from digitalme.body.landmarks import landmark_points
from digitalme.demo import demo_photo
from digitalme.errors import InputError
from digitalme.imaging.face_detection import find_faces
from digitalme.stages.encode_photo import EncodePhotoConfig, encode_photo
from digitalme.stages.groom import GroomConfig, groom
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
from tests.turns import camera_at, drawn, lamps, room, sitter


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.array(Image.open(demo_photo()).convert("RGB"))


def encode(image: np.ndarray, **config) -> Portrait:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return encode_photo(Photo(file.getvalue(), "me.png"), EncodePhotoConfig(**config))


def in_original(portrait: Portrait) -> np.ndarray:
    """Landmarks (478, 2) in pixels of the upright original."""
    to_original = portrait.original_from_image
    return portrait.landmarks[:, :2] @ to_original[:, :2].T + to_original[:, 2]


def miss(found: np.ndarray, expected: np.ndarray) -> float:
    """Mean landmark distance as a share of the distance of the outer eye corners."""
    return np.linalg.norm(found - expected, axis=1).mean() / np.linalg.norm(expected[33] - expected[263])


@pytest.fixture(scope="module")
def plain(astronaut) -> Portrait:
    return encode(astronaut)


def test_what_is_seen(plain):
    assert 100 < plain.quality["face_px"] < 115
    face = np.linalg.norm(plain.landmarks[10, :2] - plain.landmarks[152, :2])
    assert face == pytest.approx(300, rel=0.05), "enlarged to the least working size"
    assert max(abs(plain.quality[angle]) for angle in ("yaw", "pitch", "roll")) < 0.15
    assert plain.traits["glasses"] < 0.2
    assert plain.traits["beard"] < 0.2
    assert plain.traits["bald"] < 0.2
    assert plain.traits["hat"] < 0.2
    assert any("pixels high" in said for said in plain.warnings)
    red, green, blue = plain.skin_color
    assert red > green > blue > 0.4
    assert sum(plain.hair_color) < sum(plain.skin_color)
    assert plain.lip_color[0] - plain.lip_color[1] > red - green, "lips are redder than skin"


@pytest.mark.parametrize("height", [-0.10, 0.02], ids=["high bridge", "low bridge"])
def test_glasses_are_recognised(astronaut, plain, height):
    """Thin round rims painted around the eyes; their bridge lies above or on the bridge of the nose."""
    marks, image = in_original(plain), astronaut.copy()
    span = np.linalg.norm(marks[33] - marks[263])
    middles = [(marks[outer] + marks[inner]) / 2 + (0, 0.05 * span) for outer, inner in ((33, 133), (263, 362))]
    bar = [marks[168] + (side * 0.14 * span, height * span) for side in (-1, 1)]
    for middle in middles:
        center = np.round(16 * middle).astype(int).tolist()
        cv2.circle(image, center, round(16 * 0.27 * span), (60, 50, 45), 1, cv2.LINE_AA, 4)
    ends = [np.round(16 * end).astype(int).tolist() for end in bar]
    cv2.line(image, *ends, (60, 50, 45), 1, cv2.LINE_AA, 4)
    assert encode(image).traits["glasses"] > 0.5


def test_masks_cover_what_they_say(plain):
    spots = plain.landmarks[:, :2].astype(int)

    def at(mask: np.ndarray, index: int) -> float:
        return float(mask[spots[index, 1], spots[index, 0]])

    face = np.linalg.norm(plain.landmarks[10, :2] - plain.landmarks[152, :2])
    for cheek in (50, 280, 205, 425, 4):
        assert at(plain.person, cheek) > 0.95
        assert at(plain.skin, cheek) > 0.8
        assert at(plain.hair, cheek) < 0.05
    x, y = spots[10]
    crown = int(y - 0.35 * face)
    assert plain.hair[crown, x] > 0.95
    assert plain.skin[crown, x] < 0.05
    assert plain.skin[spots[159, 1] : spots[145, 1], spots[159, 0]].max() < 0.1, "eyes are no skin"
    corners = plain.person[:20, :20], plain.person[:20, -20:]
    assert max(corner.max() for corner in corners) < 0.02
    assert (plain.hair + plain.skin <= plain.person + 0.02).all()


def test_same_bytes_same_portrait(astronaut, plain, tmp_path):
    again = encode(astronaut)
    np.testing.assert_array_equal(again.person, plain.person)
    np.testing.assert_array_equal(again.landmarks, plain.landmarks)
    np.testing.assert_array_equal(again.hair, plain.hair)
    again.save(tmp_path)
    np.testing.assert_array_equal(Portrait.load(tmp_path).image, plain.image)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures_are_turned_back(astronaut, plain, turns):
    found = encode(np.ascontiguousarray(np.rot90(astronaut, turns)))
    np.testing.assert_array_equal(found.image, plain.image)
    assert found.quality["quarter_turns"] == 4 - turns


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        pytest.param(lambda a: np.repeat(a.mean(2, keepdims=True).astype(np.uint8), 3, 2), 0.02, id="grey"),
        pytest.param(lambda a: cv2.GaussianBlur(a, (0, 0), 2), 0.03, id="blurred"),
        pytest.param(lambda a: (a * 0.3).astype(np.uint8), 0.02, id="dark"),
        pytest.param(lambda a: np.clip(a * 1.5, 0, 255).astype(np.uint8), 0.02, id="bright"),
        pytest.param(
            lambda a: np.clip(a + np.random.default_rng(0).normal(0, 20, a.shape), 0, 255).astype(np.uint8),
            0.025,
            id="noisy",
        ),
    ],
)
def test_landmarks_hold(astronaut, plain, change, tolerance):
    assert miss(in_original(encode(change(astronaut))), in_original(plain)) < tolerance


def test_blur_is_noticed(astronaut, plain):
    blurred = encode(cv2.GaussianBlur(astronaut, (0, 0), 3))
    assert blurred.quality["blur"] < 0.1 * plain.quality["blur"]
    assert any("focus" in said for said in blurred.warnings)


@pytest.mark.parametrize("degrees", [-30, 20])
def test_tilted_head(astronaut, plain, degrees):
    turn = cv2.getRotationMatrix2D((256, 150), degrees, 1)
    found = encode(cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REFLECT))
    expected = in_original(plain) @ turn[:, :2].T + turn[:, 2]
    assert miss(in_original(found), expected) < 0.03
    assert found.quality["roll"] - plain.quality["roll"] == pytest.approx(np.radians(degrees), abs=0.06)


@pytest.mark.parametrize("scale", [0.5, 2.5])
def test_size_does_not_matter(astronaut, plain, scale):
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    found = encode(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=how))
    assert miss(in_original(found) / scale, in_original(plain)) < 0.015
    assert found.focal_px / found.image.shape[0] == pytest.approx(plain.focal_px / plain.image.shape[0], rel=0.05)


def test_small_face_in_a_large_picture(astronaut, plain):
    large = np.random.default_rng(0).normal(90, 8, (3000, 4000, 3)).clip(0, 255).astype(np.uint8)
    large[1200:1712, 2500:3012] = astronaut
    assert miss(in_original(encode(large)) - [2500, 1200], in_original(plain)) < 0.01


def test_two_faces_of_one_size_need_a_choice(astronaut, plain):
    two = np.concatenate([astronaut[:, :400], astronaut[:, 100:]], 1)
    assert len(find_faces(two)) == 2
    with pytest.raises(InputError, match=r"choose one with --face N, N from 1 \(left\) to 2 \(right\)"):
        encode(two)
    assert miss(in_original(encode(two, face=1)), in_original(plain)) < 0.01
    assert miss(in_original(encode(two, face=2)) - [300, 0], in_original(plain)) < 0.01
    with pytest.raises(InputError, match="no face 3"):
        encode(two, face=3)


def test_the_larger_of_two_faces_is_taken(astronaut, plain):
    half = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    both = np.concatenate([np.pad(half, ((0, 256), (0, 0), (0, 0)), mode="edge"), astronaut], 1)
    assert miss(in_original(encode(both)) - [256, 0], in_original(plain)) < 0.01


@pytest.mark.parametrize(
    "nobody",
    [
        pytest.param(np.full((300, 400, 3), 128, np.uint8), id="grey"),
        pytest.param(np.random.default_rng(1).integers(0, 255, (400, 400, 3), dtype=np.uint8), id="noise"),
    ],
)
def test_no_face_is_said(nobody):
    with pytest.raises(InputError, match=r"me\.png: no face found"):
        encode(nobody)


def test_a_far_turned_head_that_the_detector_sees_in_a_mirror_only_is_found():
    """Of this person's picture FaceMesh finds landmarks in its mirror image: they lie where the true ones are."""
    person, rng = sitter(345), np.random.default_rng(7)
    camera = camera_at(float(np.radians(-60)), rng, 450, 550, 800.0)
    portrait = encode(drawn(person, camera, {}, room(450, 550, rng), lamps(rng, camera)))
    assert portrait.quality["yaw"] == pytest.approx(np.radians(-60), abs=0.2)
    true = camera.project(landmark_points(person.vertices))[:, :2]
    away = np.linalg.norm(in_original(portrait)[:468] - true, axis=1).mean()
    assert away < 0.09 * np.linalg.norm(true[10] - true[152])  # of those seen without a mirror: 0.04 to 0.05


def pencil(photo: np.ndarray, fine: int) -> np.ndarray:
    lines = cv2.pencilSketch(photo, sigma_s=fine, sigma_r=0.07, shade_factor=0.05)[0]
    return cv2.cvtColor(lines, cv2.COLOR_GRAY2RGB)


@pytest.mark.parametrize("fine", [10, 30, 60])
def test_landmarks_of_a_drawing_are_found(astronaut, fine):
    assert miss(in_original(encode(pencil(astronaut, fine))), in_original(encode(astronaut))) < 0.06


def test_of_a_drawing_the_detector_is_not_sure_says_so_and_carries_on(astronaut, monkeypatch):
    """A pencil drawing in which a face is found and no landmarks: they are the mean face's, on its eyes and mouth."""
    drawing, true = pencil(astronaut, 60), in_original(encode(astronaut))
    monkeypatch.setattr("digitalme.imaging.portraits.landmarks_in_box", lambda image, box: None)
    portrait = encode(drawing)
    assert miss(in_original(portrait), true) < 0.15
    assert 0 < portrait.quality["certainty"] < 0.7
    assert any("not sure" in said for said in portrait.warnings)
    likeness = reconstruct(portrait, ReconstructConfig(texture_size=512))
    assert groom(portrait, likeness, GroomConfig(look="moe")).look == "moe"


def test_a_face_too_small_to_see_is_refused(astronaut):
    with pytest.raises(InputError, match=r"only 2\d pixels high"):
        encode(cv2.resize(astronaut, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
