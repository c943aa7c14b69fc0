"""Video files: lossless really is, the MP4's tracks start together and end together, strips show the right pictures."""

import av
import numpy as np
import pytest

from digitalme.artifacts import Frames, Voice
from digitalme.errors import InputError
from digitalme.imaging.video import LosslessWriter, contact_strip, encode_mp4, read_video
from digitalme.stages.finish import FinishConfig, finish


def noise(count, size=48, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def write(path, pictures, fps=25.0):
    with LosslessWriter(path, fps, pictures.shape[2], pictures.shape[1]) as writer:
        for picture in pictures:
            writer.write(picture)
    return Frames(path, fps, len(pictures), pictures.shape[2], pictures.shape[1])


def test_lossless_video_returns_every_picture_bit_for_bit(tmp_path):
    pictures = noise(30)
    frames = write(tmp_path / "a.mkv", pictures)
    np.testing.assert_array_equal(np.stack(list(read_video(frames.path))), pictures)


def test_lossless_video_is_deterministic(tmp_path):
    first, second = (write(tmp_path / name, noise(5)).path.read_bytes() for name in ("a.mkv", "b.mkv"))
    assert first == second


@pytest.mark.parametrize(("seconds", "fps"), [(1.0, 25.0), (1.013, 25.0), (0.777, 30.0), (1.5, 29.97), (0.03, 25.0)])
def test_flash_and_click_meet_within_one_frame(tmp_path, seconds, fps):
    """A white picture and a click at the same moment are decoded from the MP4 at the same time."""
    rate, count = 22050, int(np.ceil(seconds * fps))
    flash = count // 2
    pictures = np.zeros((count, 49, 63, 3), np.uint8)  # odd on purpose
    pictures[flash] = 255
    samples = np.zeros(round(seconds * rate), np.float32)
    click = min(int(flash / fps * rate), len(samples) - 60)
    samples[click : click + 60] = 0.9
    video = finish(write(tmp_path / "f.mkv", pictures, fps), Voice(samples, rate), FinishConfig())

    with av.open(str(video.path)) as container:
        shown = [(f.time, f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]
    with av.open(str(video.path)) as container:
        sound, start = [], None
        for frame in container.decode(audio=0):
            start = frame.time if start is None else start
            sound.append(frame.to_ndarray()[0])
        heard = np.concatenate(sound)
    assert len(shown) == count
    assert shown[0][0] == 0
    assert abs(start) < 1 / fps
    flash_seen = max(shown, key=lambda item: item[1])[0]
    click_heard = start + np.abs(heard).argmax() / 48000
    assert abs(flash_seen - click_heard) < 1 / fps
    assert 0 <= count / fps - seconds < 1 / fps + 1e-9
    assert abs(start + len(heard) / 48000 - seconds) < 0.05  # AAC pads its last block of 21 ms


def test_colours_survive_the_mp4(tmp_path):
    """Flat colours come back within a few levels: the matrix written is the matrix declared."""
    colours = np.array([[200, 60, 40], [40, 180, 90], [30, 60, 200], [225, 180, 160]], np.uint8)
    picture = np.repeat(np.repeat(colours.reshape(2, 2, 3), 32, 0), 32, 1)
    encode_mp4(tmp_path / "c.mp4", iter([picture] * 5), 25.0, (64, 64), np.zeros(9600, np.float32), 48000)
    with av.open(str(tmp_path / "c.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)
        seen = frame.to_ndarray(format="rgb24").astype(int)
    centres = seen[16::32, 16::32].reshape(4, 3)
    assert np.abs(centres - colours).max() <= 4


def test_contact_strip_shows_evenly_spread_pictures(tmp_path):
    levels = np.arange(60, dtype=np.uint8) * 4
    pictures = np.broadcast_to(levels[:, None, None, None], (60, 32, 32, 3))
    strip = contact_strip(write(tmp_path / "s.mkv", pictures).path, n=12, side=32)
    assert strip.shape == (64, 192, 3)
    shown = strip[16::32, 16::32, 0].ravel()
    np.testing.assert_array_equal(shown, levels[[int((i + 0.5) * 5) for i in range(12)]])


def test_not_a_video_is_an_input_error(tmp_path):
    (tmp_path / "x.mp4").write_text("no")
    with pytest.raises(InputError, match="not a readable video"):
        list(read_video(tmp_path / "x.mp4"))
