"""How long encode_photo and the fit take, and how well the fit explains the photos: medians, in milliseconds.

python tools/bench/fit.py [photo...]        (default: the demo's photo)
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from digitalme.artifacts import Photo
from digitalme.demo import demo_photo
from digitalme.geometry.fit import fit_head
from digitalme.stages.encode_photo import encode_photo


def median_ms(call, times: int) -> tuple[float, float]:
    """Median wall and processor time of `times` calls after a first one."""
    call()
    wall, processor = [], []
    for _ in range(times):
        start, start_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_cpu)
    return statistics.median(wall) * 1000, statistics.median(processor) * 1000


def main() -> None:
    print("| photo | encode_photo ms (CPU ms) | fit ms (CPU ms) | landmark RMS mm |")
    print("|---|---|---|---|")
    for path in [Path(name) for name in sys.argv[1:]] or [demo_photo()]:
        photo = Photo(path.read_bytes(), path.name)
        portrait = encode_photo(photo)
        encode, encode_cpu = median_ms(lambda photo=photo: encode_photo(photo), 3)
        fit, fit_cpu = median_ms(lambda portrait=portrait: fit_head(portrait), 9)
        rms = fit_head(portrait).rms_mm
        print(f"| {path.name} | {encode:.0f} ({encode_cpu:.0f}) | {fit:.0f} ({fit_cpu:.0f}) | {rms:.2f} |")


if __name__ == "__main__":
    main()
