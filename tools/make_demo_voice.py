"""Remakes assets/demo_voice.ogg: the demo's words by flite's voice slt (on Debian: apt-get install flite).

    PYTHONPATH=. python tools/make_demo_voice.py [--out assets/demo_voice.ogg]

The same programs make the same bytes (flite 2.2, libopus by PyAV). slt booms: four fifths of its energy lie below
300 Hz. BALANCE brings its long-term spectrum to that of women's speech (D. Byrne et al., "An international comparison
of long-term average speech spectra", 1994), as a filter without phase: no time is moved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np

from digitalme.audio.files import resample
from digitalme.audio.synthesis import say_with_flite
from digitalme.demo import DEMO_WORDS
from digitalme.paths import asset

RATE = 48_000
PEAK = 0.7
BALANCE = (
    (0, -30), (70, -24), (140, -13), (260, -10), (500, 0), (1000, 2), (2500, 6), (5000, 2), (7500, 0), (8000, -20),
)  # fmt: skip
"""(Hz, dB) of the filter, joined by lines over the logarithm of frequency."""


def balanced(sound: np.ndarray, rate: int) -> np.ndarray:
    """Sound, (n,), through BALANCE: its spectrum times a real gain, so nothing is delayed."""
    hertz, decibels = np.array(BALANCE, float).T
    padded = np.pad(sound, (rate // 4, rate // 4))
    frequencies = np.fft.rfftfreq(len(padded), 1 / rate)
    gain = 10 ** (np.interp(np.log(frequencies + 30), np.log(hertz + 30), decibels) / 20)
    return np.fft.irfft(np.fft.rfft(padded) * gain, len(padded))[rate // 4 : -(rate // 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=asset("demo_voice.ogg"))
    given = parser.parse_args()
    voice = say_with_flite(DEMO_WORDS, "slt")
    sound = resample(balanced(voice.samples, voice.rate).astype(np.float32), voice.rate, RATE)
    quiet = np.pad(PEAK * sound / np.abs(sound).max(), (RATE // 8, RATE // 8)).astype(np.float32)
    with av.open(str(given.out), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = 40_000
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(quiet[None], "flt", "mono")
        frame.rate = RATE
        fifo.write(frame)
        while (piece := fifo.read(960, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    print(f"{given.out}: {len(quiet) / RATE:.2f} s")


if __name__ == "__main__":
    main()
