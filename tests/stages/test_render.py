"""The render stage: how many frames, which curve at which time, the same bytes twice, clear refusals."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Avatar, Performance, Skeleton
from digitalme.body.visemes import VISEMES
from digitalme.errors import InputError
from digitalme.imaging.video import read_video
from digitalme.rendering.puppet import PhotoPuppet
from digitalme.rendering.puppet.pictures import grown
from digitalme.stages.render import RenderConfig, frame_count, render, resting, speaking

NOBODY = Avatar("nobody", Skeleton((), np.zeros(0, np.int32), np.zeros((0, 4, 4), np.float32)), (), {})
"""The photo look needs no avatar."""


def performance(seconds, rate=60.0, **curves):
    frames = int(np.ceil(seconds * rate))
    times = np.arange(frames) / rate
    return Performance(
        rate,
        {name: np.asarray(curve(times), np.float32) for name, curve in curves.items()},
        np.zeros((frames, 3), np.float32),
        {},
    )


def test_what_lies_behind_the_person_stands_still(astronaut, astronaut_likeness):
    """In the frames as the stage writes them, head turned by 15 degrees both ways, jaw dropped: not by one level."""
    swing = np.sin(2 * np.pi * np.arange(60) / 60)
    spoken = performance(1.0, jawOpen=lambda t: np.sin(np.pi * t))
    head = np.stack([0 * swing, np.radians(15) * swing, 0 * swing], 1).astype(np.float32)
    frames = render(astronaut, astronaut_likeness, NOBODY, replace(spoken, head=head), RenderConfig(size=128, fps=12))
    pictures = np.stack(list(read_video(frames.path))).astype(int)
    view = PhotoPuppet(astronaut, astronaut_likeness, 128).view
    far = (~grown(view.is_person, 0.15 * view.face_height)).astype(np.uint8)
    far = cv2.resize(far, (128, 128), interpolation=cv2.INTER_NEAREST) > 0
    assert far.mean() > 0.2
    assert np.abs(pictures - pictures[0])[:, ~far].max() > 50
    np.testing.assert_array_equal(pictures[:, far], np.broadcast_to(pictures[0, far], pictures[:, far].shape))


@pytest.mark.parametrize(
    ("seconds", "fps", "count"), [(1.0, 25, 25), (1.001, 25, 26), (0.999, 25, 25), (2.5, 29.97, 75), (0.01, 25, 1)]
)
def test_frames_cover_the_duration(seconds, fps, count):
    assert frame_count(seconds, fps) == count


def test_frame_i_shows_time_i_over_fps(astronaut, astronaut_likeness):
    """A blink of one moment is seen in that frame only."""
    spoken = performance(1.0, eyeBlinkLeft=lambda t: np.abs(t - 0.48) < 0.011)
    frames = render(astronaut, astronaut_likeness, NOBODY, spoken, RenderConfig(size=128))
    pictures = np.stack(list(read_video(frames.path))).astype(int)
    assert (frames.count, frames.width, frames.height, len(pictures)) == (25, 128, 128, 25)
    change = np.abs(pictures - pictures[0]).mean((1, 2, 3))
    assert change.argmax() == 12
    assert change[12] > 5 * np.delete(change, 12).max()


def test_the_same_performance_gives_the_same_bytes(astronaut, astronaut_likeness):
    spoken = performance(0.4, jawOpen=lambda t: 0.3 * t, eyeBlinkLeft=lambda t: t)
    files = [render(astronaut, astronaut_likeness, NOBODY, spoken, RenderConfig(size=128)).path for _ in range(2)]
    assert files[0] != files[1]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_speaking_is_one_in_words_and_zero_in_long_silence():
    quiet = performance(4.0)
    sil = np.ones(quiet.frames, np.float32)
    sil[90:150] = 0
    visemes = {name: np.zeros(quiet.frames, np.float32) for name in VISEMES} | {"sil": sil}
    level = speaking(Performance(60.0, {}, quiet.head, visemes))
    assert level[120] > 0.95
    assert level[20] < 0.05
    assert level[-20] < 0.05
    assert np.abs(np.diff(level)).max() < 0.06  # never a jump


@pytest.mark.parametrize(("config", "words"), [(RenderConfig(size=333), "even"), (RenderConfig(fps=0), "fps")])
def test_refusals_say_what_is_expected(astronaut, astronaut_likeness, config, words):
    with pytest.raises(InputError, match=words):
        render(astronaut, astronaut_likeness, NOBODY, performance(0.1), config)


@pytest.mark.slow
@pytest.mark.parametrize("look", ["studio", "moe"])
def test_the_avatars_looks_take_the_same_performance(astronaut, astronaut_likeness, astronaut_avatar, look):
    spoken = performance(0.2, jawOpen=lambda t: 3 * t)
    config = RenderConfig(look=look, size=128, fps=15)
    pictures = list(read_video(render(astronaut, astronaut_likeness, astronaut_avatar, spoken, config).path))
    assert len(pictures) == 3
    assert pictures[0].shape == (128, 128, 3)
    assert np.abs(pictures[2].astype(int) - pictures[0]).max() > 20  # the mouth opens


def test_lips_rest_in_pauses_between_words_only():
    quiet = performance(5.0)
    sil = np.ones(quiet.frames, np.float32)
    sil[60:120] = sil[150:210] = 0  # a pause of half a second between
    visemes = {name: np.zeros(quiet.frames, np.float32) for name in VISEMES} | {"sil": sil}
    spoken = Performance(60.0, {}, quiet.head, visemes)
    rest = resting(spoken)
    assert speaking(spoken)[135] > 0.95
    assert rest[135] > 0.9
    assert rest[[90, 180]].max() < 0.05
    assert rest[[0, -1]].max() < 0.05  # the photo's own smile at both ends
