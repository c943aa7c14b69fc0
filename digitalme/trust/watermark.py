"""An invisible watermark for pictures and video: spread spectrum in a tile that repeats over the picture.

The mark is the sum of one synchronisation pattern and 32 payload patterns, all orthogonal, band-limited to periods of
10 to 40 pixels (low enough for H.264 and a half-size copy, high enough not to be seen as a stain), scaled where
texture hides it. A detector folds the picture into one tile, whitens it, finds the synchronisation pattern by
circular correlation (which undoes a crop), tries a grid of scales (which undoes a resize) and reads the bits' signs.
After I. J. Cox et al., "Secure spread spectrum watermarking for multimedia" (1997), with the tiled template of
M. Kutter, "Watermarking resistant to translation, rotation, and scaling" (1998).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Int16, UInt8
from scipy.stats import norm

from digitalme.errors import InputError

TILE = 256
BITS = 32
SYNC_SHARE = 0.45
"""Part of the mark's energy in the synchronisation pattern."""
BAND = (TILE / 40, TILE / 10)
"""Radial frequencies that carry the mark, cycles a tile."""
PSNR_DB = 43.0
"""Quality of a marked picture, at least: the mark's energy in texture is set so that the whole reaches this."""
FLAT_RMS = 0.5
"""The mark's RMS where a picture is flat, grey levels: a blob of one level here and there, which no eye finds."""
MOST_RMS = 2.75
"""The mark's RMS in full texture, at most."""
TEXTURE = 8.0
"""Standard deviation within 15 pixels, less 1, that hides the whole mark, grey levels."""
ROUNDS = 4
"""Passes of informed embedding."""
CHANCE = 1e-6
"""A picture counts as marked where an unmarked one would show such a peak less often than this."""
PLACES = 30_000
"""Independent positions of a tile, in effect: with it the peaks of 2,000 unmarked pieces are as rare as they are told
to be (tools/bench/watermark.py), or rarer. Each scale that is tried is as many."""
LARGEST = 2048
"""Longest side of what is looked at of a picture."""
LIKELY = (1.0, 0.5, 0.75, 2.0)
"""Scales that people use, tried first; at these a picture that was not cropped needs the lowest peak."""
SCALES = tuple(np.exp(np.arange(np.log(0.4), np.log(2.5), 0.008)))


@dataclass(frozen=True)
class Mark:
    """What a detector saw. `payload` means something only where `found`."""

    found: bool
    strength: float
    """Height of the synchronisation peak in standard deviations; unmarked pictures stay below about 6."""
    chance: float
    """Probability of such a peak in an unmarked picture: a normal tail, times the places and scales looked at."""
    payload: int
    confidence: tuple[float, ...]
    """Per bit, most significant first: how far its correlation lies from zero, in standard deviations."""
    scale: float
    """Size of this picture relative to the one that was marked."""


@lru_cache(maxsize=1)
def _patterns() -> tuple[np.ndarray, np.ndarray]:
    """In-band frequencies as a mask (256, 129), and orthonormal patterns (1 + BITS, in-band) as spectra."""
    fy, fx = np.fft.fftfreq(TILE, 1 / TILE)[:, None], np.arange(TILE // 2 + 1)[None]
    radius = np.hypot(fy, fx)
    band = (radius >= BAND[0]) & (radius <= BAND[1]) & ((fx > 0) | (fy > 0))
    band &= fx != 0  # the column fx = 0 is its own mirror: leaving it out keeps the coefficients independent
    random = np.random.Generator(np.random.PCG64(20260802)).normal(size=(1 + BITS, 2 * band.sum()))
    basis = np.linalg.qr(random.T)[0].T
    half = band.sum()
    return band, basis[:, :half] + 1j * basis[:, half:]


def _tile(weights: np.ndarray) -> Float32[np.ndarray, "256 256"]:
    """A weighted sum of the patterns, (1 + BITS,), as one tile of unit RMS."""
    band, spectra = _patterns()
    spectrum = np.zeros(band.shape, complex)
    spectrum[band] = weights @ spectra
    tile = np.fft.irfft2(spectrum, (TILE, TILE))
    return (tile / tile.std()).astype(np.float32)


def mark_layer(image: UInt8[np.ndarray, "h w 3"], payload: int) -> Int16[np.ndarray, "h w 3"]:
    """What to add to each channel of `image` to mark it with a 32-bit payload: FLAT_RMS where it is flat, and in
    texture, which hides it, as much as PSNR_DB leaves.

    Informed embedding (H. S. Malvar and D. A. F. Florencio, "Improved spread spectrum", 2003): what the picture itself
    happens to correlate with a pattern is measured and made up for, so that no bit starts out wrong.
    """
    if not 0 <= payload < 1 << BITS:
        raise ValueError(f"payload: expected {BITS} bits, got {payload}")
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 8)  # a slow shade hides nothing
    texture = np.sqrt(np.maximum(cv2.blur(detail * detail, (15, 15)), 0))
    inside = cv2.erode(texture, np.ones((17, 17), np.uint8))  # nor does an edge hide what lies on its flat side
    hiding = cv2.GaussianBlur(np.clip((inside - 1) / TEXTURE, 0, 1), (0, 0), 4)
    # mean((FLAT_RMS + more * hiding) ** 2) is the mark's energy: solved for `more`
    energy = (255 / 10 ** (PSNR_DB / 20)) ** 2
    half, square = FLAT_RMS * float(hiding.mean()), float((hiding**2).mean()) + 1e-9
    more = (np.sqrt(half**2 + square * (energy - FLAT_RMS**2)) - half) / square
    amplitude = FLAT_RMS + min(more, MOST_RMS - FLAT_RMS) * hiding
    signs = np.array([1, *(1 if payload >> (BITS - 1 - bit) & 1 else -1 for bit in range(BITS))])
    wanted = np.sqrt(np.array([SYNC_SHARE, *[(1 - SYNC_SHARE) / BITS] * BITS]))
    weights = wanted.copy()
    for _ in range(ROUNDS):
        tile = np.tile(_tile(weights * signs), (height // TILE + 1, width // TILE + 1))[:height, :width]
        layer = tile * amplitude
        seen = _correlations(_residue_of_grey(np.clip(grey + layer, 0, 255))) * signs
        weights = np.clip(weights + 0.7 * (wanted * np.linalg.norm(seen) - seen) / np.linalg.norm(seen), 0, 1)
    return np.repeat(np.round(layer).astype(np.int16)[..., None], 3, 2)


def apply_layer(image: UInt8[np.ndarray, "h w 3"], layer: Int16[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Add a mark's layer to a picture."""
    return cv2.add(image, layer, dtype=cv2.CV_8U)  # saturates


def mark(image: UInt8[np.ndarray, "h w 3"], payload: int) -> UInt8[np.ndarray, "h w 3"]:
    """A marked copy of a picture. Pictures below 256 pixels hold too few tiles to survive much."""
    return apply_layer(image, mark_layer(image, payload))


def _residue(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """Luminance without its slow part, weighted as a matched filter is: by what the picture leaves of the mark in a
    place (about 1 where it is flat) over the variance of all else that is there. Texture and edges count for little.
    """
    return _residue_of_grey(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32))


def _residue_of_grey(grey: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 6)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 8))
    return np.clip(detail, -1.5 * spread - 1.5, 1.5 * spread + 1.5) / (spread + 4.0) ** 2


def _fold(residue: np.ndarray, scale: float) -> np.ndarray:
    """Average all tiles of a residue whose picture was resized by `scale`."""
    if abs(scale - 1) > 1e-3:
        size = (max(TILE, round(residue.shape[1] / scale)), max(TILE, round(residue.shape[0] / scale)))
        residue = cv2.resize(residue, size, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
    height, width = residue.shape
    padded = np.zeros((-(-height // TILE) * TILE, -(-width // TILE) * TILE), np.float32)
    padded[:height, :width] = residue
    return padded.reshape(-1, TILE, padded.shape[1] // TILE, TILE).sum((0, 2))


def _whitened(residue: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """In-band spectrum of the folded residue, each ring of frequencies brought to unit power."""
    band, _ = _patterns()
    spectrum = np.fft.rfft2(_fold(residue, scale))[band]
    rows, columns = np.nonzero(band)
    ring = np.hypot(np.minimum(rows, TILE - rows), columns).astype(int)
    power = np.bincount(ring, np.abs(spectrum) ** 2) / np.maximum(np.bincount(ring), 1)
    return spectrum / np.sqrt(power[ring] + 1e-9)


def _correlations(residue: np.ndarray) -> np.ndarray:
    """Correlation of an unmoved picture with each pattern, (1 + BITS,)."""
    return (np.conj(_patterns()[1]) @ _whitened(residue)).real


def _read(white: np.ndarray) -> np.ndarray:
    """Correlation with the synchronisation pattern at each shift (TILE, TILE), in standard deviations."""
    band, spectra = _patterns()
    product = np.zeros(band.shape, complex)
    product[band] = white * np.conj(spectra[0])
    correlation = np.fft.irfft2(product, (TILE, TILE))
    return correlation / (np.median(np.abs(correlation)) / 0.6745 + 1e-12)


def _bits(white: np.ndarray, y: int, x: int) -> np.ndarray:
    """Correlation with each payload pattern at a shift, (BITS,)."""
    band, spectra = _patterns()
    rows, columns = np.nonzero(band)
    aligned = white * np.exp(2j * np.pi * (np.fft.fftfreq(TILE)[rows] * y + columns / TILE * x))
    return (np.conj(spectra[1:]) @ aligned).real


def _at_scale(residue: np.ndarray, scale: float) -> Mark:
    white = _whitened(residue, scale)
    peaks = _read(white)
    places = PLACES * (len(LIKELY) if scale in LIKELY else len(SCALES))
    y, x = divmod(int(np.argmax(peaks)), TILE)
    candidates = [(peaks[y, x], places, y, x)]
    if scale in LIKELY:
        candidates.append((peaks[0, 0], len(LIKELY), 0, 0))
    chance, strength, y, x = min(
        (float(norm.sf(peak)) * trials, float(peak), y, x) for peak, trials, y, x in candidates
    )
    bits = _bits(white, y, x)
    payload = sum(1 << (BITS - 1 - bit) for bit in range(BITS) if bits[bit] > 0)
    return Mark(chance < CHANCE, strength, min(1.0, chance), payload, tuple(map(float, np.abs(bits))), float(scale))


def detect(images: Iterable[UInt8[np.ndarray, "h w 3"]], limit: int = 48) -> Mark:
    """Look for a mark in a picture (a list of one) or in the frames of a video (up to `limit` are averaged)."""
    residues = [_residue(_middle(image)) for image in islice(images, limit)]
    if not residues:
        raise ValueError("detect: no picture was given")
    residue = np.mean(residues, 0)
    seen = [_at_scale(residue, scale) for scale in LIKELY]
    if not any(mark.found for mark in seen):
        seen += [_at_scale(residue, scale) for scale in SCALES]
    return min(seen, key=lambda mark: mark.chance)


def _middle(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The middle of a picture, at most LARGEST a side: a search of all scales must end, whatever it is given."""
    y, x = (max(0, side - LARGEST) // 2 for side in image.shape[:2])
    return np.ascontiguousarray(image[y : y + LARGEST, x : x + LARGEST])


def pictures_of(path: Path) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The picture of an image file, or every 5th frame of a video's, for `detect`."""
    if path.suffix.lower() in {".png", ".jpg", ".jpeg"}:
        from digitalme.artifacts.files import read_png

        image = read_png(path)
        yield image[..., :3] if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
        return
    import av

    try:
        with av.open(str(path)) as file:
            for index, frame in enumerate(file.decode(video=0)):
                if index % 5 == 0:
                    yield frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path}: not a readable video ({error})") from None
