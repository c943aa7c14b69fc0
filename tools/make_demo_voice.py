"""Remakes assets/demo_voice.ogg: one sentence by the CC0 Piper voice joe (pip install 'digitalme[tts]')."""

import av
import numpy as np

from digitalme.audio.files import resample
from digitalme.audio.synthesis import say_with_piper
from digitalme.demo import DEMO_WORDS
from digitalme.paths import asset

RATE = 48_000

voice = say_with_piper(DEMO_WORDS)
sound = resample(voice.samples, voice.rate, RATE)
sound = np.pad(0.7 * sound / np.abs(sound).max(), (RATE // 4, RATE // 3)).astype(np.float32)
with av.open(str(asset("demo_voice.ogg")), "w") as container:
    stream = container.add_stream("libopus", rate=RATE, layout="mono")
    stream.bit_rate = 40_000
    fifo = av.AudioFifo()
    frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
    frame.rate = RATE
    fifo.write(frame)
    while (piece := fifo.read(960, partial=True)) is not None:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))
print(f"{len(sound) / RATE:.2f} s")
