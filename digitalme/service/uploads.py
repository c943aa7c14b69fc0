"""What strangers send: names that lead nowhere, sizes that end, and only files that a build could use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from digitalme.errors import InputError

LARGEST_PHOTO = 20 * 2**20
LARGEST_VOICE = 60 * 2**20
PHOTOS = (".jpg", ".jpeg", ".png", ".heic", ".heif", ".webp", ".tif", ".tiff", ".bmp", ".avif")
VOICES = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".webm", ".mp4", ".mov", ".mkv")


def stored_name(kind: str, sent: str | None, suffixes: tuple[str, ...]) -> str:
    """The name to keep an upload under: ours, with the suffix of theirs. Nothing else of what was sent is used."""
    found = re.search(r"\.[a-z0-9]{1,5}\Z", (sent or "").lower())
    suffix = found.group() if found else ""
    if suffix not in suffixes:
        raise InputError(f"{kind}: a file of kind {suffix or 'unknown'}; expected one of {' '.join(suffixes)}")
    return f"{kind}{suffix}"


def store(path: Path, pieces: Iterable[bytes], largest: int) -> int:
    """Write pieces to a new file of at most `largest` bytes. What was written of a larger one is removed."""
    size = 0
    try:
        with path.open("xb") as file:
            for piece in pieces:
                size += len(piece)
                if size > largest:
                    raise InputError(f"{path.stem}: more than {largest / 2**20:.0f} MB; send a smaller file")
                file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if size == 0:
        path.unlink()
        raise InputError(f"{path.stem}: the file is empty")
    return size


def check_photo(path: Path) -> None:
    """Raise InputError for what no build could read as a photo."""
    from digitalme.imaging.photo_files import decode_photo

    decode_photo(path.read_bytes(), path.name)


def check_voice(path: Path) -> None:
    """Raise InputError for what no build could read as a voice."""
    from digitalme.audio.files import read_voice

    try:
        read_voice(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), path.name)) from None
