"""Albums: which pictures of a person are kept, what is said of the others, and the pipelines that take them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Album, Footage, Photo, Photos
from digitalme.errors import InputError
from digitalme.imaging.turns import Look, blurred, longest_take, spread_over
from digitalme.metrics.likeness import has_descriptor
from digitalme.metrics.people import Candidate, gathered
from digitalme.pipeline import read_pipeline
from digitalme.stages.choose_portrait import choose_portrait
from digitalme.stages.encode_photos import EncodePhotosConfig, encode_photos


def looking(portrait, yaw: float, blur: float = 60.0, name: str = "a.png") -> Candidate:
    quality = portrait.quality | {"yaw": yaw, "pitch": 0.0, "blur": blur}
    return Candidate.of(name, replace(portrait, quality=quality), (256.0, 256.0))


def test_pipelines_take_what_is_given():
    assert set(read_pipeline("photos").sources) == {"photos", "voice", "words"}
    assert set(read_pipeline("video+say").sources) == {"turn", "words"}
    assert read_pipeline("video").node("likeness").stage.name == "reconstruct_together"
    assert "album" not in read_pipeline("default").nodes


def test_the_frontal_sharp_one_comes_first_and_the_blurred_one_goes(astronaut):
    views = [looking(astronaut, 0.7, name="side"), looking(astronaut, 0.02, name="front"),
             looking(astronaut, 0.1, 5.0, "soft")]  # fmt: skip
    album = gathered(views, [("x.png", "is no picture")])
    assert [each.name for each in album.shown] == ["front", "side"]
    assert album.left_out == (("x.png", "is no picture"), ("soft", "is blurred"))
    assert choose_portrait(album) is album.portraits[0]


def test_a_turned_head_has_less_that_is_sharp_to_show(astronaut):
    sharp = [looking(astronaut, yaw, name=f"{yaw}.png") for yaw in (0.0, 0.3, -0.3)]
    album = gathered([*sharp, looking(astronaut, 1.1, 15.0, "far"), looking(astronaut, 0.1, 15.0, "near")], [])
    assert album.left_out == (("near", "is blurred"),)


@pytest.mark.skipif(not has_descriptor(), reason='needs pip install "digitalme[eval]"')
def test_someone_else_is_left_out(astronaut):
    from tests.turns import camera_at, drawn, photo_of, room, sitter

    rng = np.random.default_rng(0)
    other = drawn(sitter(3), camera_at(0.05, rng, 420, 520, 800.0), {}, room(420, 520, rng))
    mine = cv2.imencode(".png", astronaut.image[..., ::-1])[1].tobytes()
    photos = Photos((Photo(mine, "me.png"), photo_of(other, "you.png"), Photo(b"no picture", "broken.png"),
                     Photo(cv2.imencode(".png", np.full((300, 300, 3), 90, np.uint8))[1].tobytes(), "wall.png"),
                     Photo(mine, "again.png")))  # fmt: skip
    album = encode_photos(photos, EncodePhotosConfig())
    assert {each.name for each in album.shown} == {"me.png", "again.png"}
    why = dict(album.left_out)
    assert why["you.png"].startswith("shows someone else")
    assert why["wall.png"].startswith("no face found")
    assert set(why) == {"you.png", "wall.png", "broken.png"}


def test_photos_without_any_face_are_refused():
    wall = Photo(cv2.imencode(".png", np.full((300, 300, 3), 90, np.uint8))[1].tobytes(), "wall.png")
    with pytest.raises(InputError, match=r"none of the photos can be used: wall\.png: no face found"):
        encode_photos(Photos((wall,)), EncodePhotosConfig())


def test_albums_photos_and_cameras_come_back_from_their_files(astronaut, tmp_path):
    album = gathered([looking(astronaut, 0.0), looking(astronaut, 0.5, name="b")], [("c", "why")])
    (tmp_path / "album").mkdir()
    album.save(tmp_path / "album")
    again = Album.load(tmp_path / "album")
    assert again.left_out == album.left_out
    assert again.shown[1].name == "b"
    np.testing.assert_allclose(again.shown[0].center_px, album.shown[0].center_px, atol=1e-5)
    np.testing.assert_array_equal(again.portraits[1].image, astronaut.image)
    photos = Photos((Photo(b"1", "x"), Photo(b"2", "y")))
    (tmp_path / "photos").mkdir()
    photos.save(tmp_path / "photos")
    assert Photos.load(tmp_path / "photos") == photos


def look(yaw: float, sharpness: float = 50.0, take: int = 0, face: bool = True) -> Look:
    return Look(0.0, np.zeros((478, 3), np.float32) if face else None, yaw, 0.0, sharpness, take)


def test_frames_cover_the_turn_and_are_the_sharp_ones():
    rng = np.random.default_rng(0)
    yaws = np.r_[np.linspace(-1, 1, 60), np.zeros(60)]
    worth = rng.uniform(0, 1, 120)
    chosen = spread_over(yaws, worth, 9)
    assert 7 <= len(chosen) <= 9
    assert yaws[chosen].min() < -0.85
    assert yaws[chosen].max() > 0.85
    assert np.diff(np.sort(yaws[chosen])).max() < 0.45
    assert worth[chosen].mean() > 0.75
    assert len(spread_over(np.zeros(30), worth[:30], 9)) == 1, "a still head is one picture"


def test_motion_blur_is_judged_among_those_turned_alike():
    looks = [look(yaw, 60 if yaw < 0.5 else 20) for yaw in np.linspace(0, 1, 40)]
    looks[5] = look(looks[5].yaw, 15)
    assert [place for place, soft in enumerate(blurred(looks)) if soft] == [5]


def test_the_longest_take_is_the_person():
    assert longest_take([look(0, take=0)] * 3 + [look(0, take=1)] * 5 + [look(0, take=2, face=False)] * 9) == 1


@pytest.mark.slow
def test_a_video_with_a_cut_blur_and_a_hidden_face_is_picked_from(tmp_path):
    """A turn, then a cut to someone else: their frames are out; blurred and covered frames are out, and said to be."""
    from digitalme.imaging.video import encode_mp4
    from digitalme.stages.pick_frames import PickFramesConfig, pick_frames
    from tests.turns import camera_at, drawn, room, sitter, turning

    frames = [picture for picture, _ in turning(sitter(2), 30, (640, 480), 0.9)]
    frames[7] = cv2.blur(frames[7], (31, 1))
    covered = frames[15].copy()
    covered[120:400, 200:440] = (200, 160, 140)
    frames[15] = covered
    rng = np.random.default_rng(1)
    other = drawn(sitter(3), camera_at(0.0, rng, 640, 480, 700.0), {}, 255 - room(640, 480, rng))
    pictures = [*frames, *[other] * 8]
    path = tmp_path / "turn.mp4"
    encode_mp4(path, iter(pictures), 10.0, (640, 480), np.zeros(4800, np.float32), 48000)
    album = pick_frames(Footage(path, "turn.mp4"), PickFramesConfig(frames=5))
    times = [float(each.name.split(" at ")[1].removesuffix(" s")) for each in album.shown]
    assert 3 <= len(times) <= 5
    assert max(times) < 2.95, "nobody from after the cut"
    assert not {0.7, 1.5} & {round(time, 1) for time in times}
    said = " ".join(why for _, why in album.left_out)
    assert "is cut 1 times" in said
    assert "blurred" in said
    yaws = [portrait.quality["yaw"] for portrait in album.portraits]
    assert max(yaws) - min(yaws) > 1.0
    assert abs(yaws[0]) == min(map(abs, yaws)) or abs(yaws[0]) < 0.2
