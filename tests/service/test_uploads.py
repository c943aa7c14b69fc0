"""Uploads: names lead nowhere, sizes end, and what is no photo or voice is refused."""

from __future__ import annotations

import pytest

from digitalme.errors import InputError
from digitalme.service.uploads import PHOTOS, check_photo, check_voice, store, stored_name


@pytest.mark.parametrize(
    "sent", ["../../etc/x.jpg", "-rf.jpg", "a\0b.jpg", "C:\\x\\y.JPG", "\x1b[31m.jpg", "你好.jpg", "." * 5000 + ".jpg"]
)
def test_only_the_suffix_of_a_name_is_used(sent):
    assert stored_name("photo", sent, PHOTOS) == "photo.jpg"


@pytest.mark.parametrize("sent", [None, "", "x", "x.exe", "x.jpg/", "x.jpg\n", ".jpg.svg", "jpg"])
def test_other_kinds_are_refused(sent):
    with pytest.raises(InputError, match="expected one of"):
        stored_name("photo", sent, PHOTOS)


def test_too_large_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="more than"):
        store(tmp_path / "photo.jpg", (b"x" * 1000 for _ in range(5)), 3000)
    with pytest.raises(InputError, match="empty"):
        store(tmp_path / "photo.jpg", (), 3000)
    assert list(tmp_path.iterdir()) == []
    assert store(tmp_path / "photo.jpg", [b"abc"], 3) == 3
    with pytest.raises(FileExistsError):
        store(tmp_path / "photo.jpg", [b"abc"], 3)


def test_what_is_no_photo_or_voice(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"GIF89a?")
    (tmp_path / "voice.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="photo"):
        check_photo(tmp_path / "photo.jpg")
    with pytest.raises(InputError, match=r"^voice\.wav"):
        check_voice(tmp_path / "voice.wav")
