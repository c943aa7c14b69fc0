"""A mouth for sound that is still going on: 16 kHz chunks in, ARKit weights at 60 Hz out, a fixed delay behind.

The phone network of the whole-clip path, run as if the clip ended a little ahead of the frame that is asked for: the
forward layers keep their state, the backward ones and the ends of the convolutions are run again on the look-ahead.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from digitalme.audio.phone_net import HOP, RATE, SIZE, convolved, gru_layer, mel_filters, network_weights, to_logits
from digitalme.audio.phones import PHONES
from digitalme.body.visemes import (
    MOUTH_CHANNELS,
    PAIRED,
    REDUCED_JAW,
    SEAL,
    TARGETS,
    VISEME_OF_PHONE,
    dominance,
    mouth_close,
)
from digitalme.errors import InputError

STEP = 2
"""Mel frames (10 ms) to one step of the network."""
_CARRIED = 8  # steps before the edge of what was heard, at which the forward layers' state is kept
_EDGE = 4  # steps at the edge that the convolutions' kernels reach over
_USUAL_FRAMES, _MOST_FRAMES = 40, 1000  # weight of the usual mean at the start, and how long the mean looks back
_QUIETEST = 1e-6
_QUIET_SPEECH = -4.7  # mean log-mel of the loudest frame of speech at -45 dBFS: noise below it is no speech
_SHAPE_AT, _SHAPE = (0, 0.04, 0.33, 0.7, 1), (-1.6, -1.0, -4.5, -4.9, -6.6)  # usual mean less the loudest, over bands


class PhoneStream:
    """Log posteriors of PHONES on the 100 Hz grid, each frame `look_ahead` seconds (and half a window) after its sound.

    The whole-clip network takes the clip's mean off each mel band; here it is the mean of the last 10 s so far.
    """

    def __init__(self, look_ahead: float = 0.08) -> None:
        if not 0 <= look_ahead <= 0.5:
            raise InputError(f"look_ahead is {look_ahead:g}; expected 0 to 0.5 seconds")
        self.look_ahead = STEP * round(look_ahead * 100 / STEP)
        """Mel frames."""
        self._weights = network_weights()
        hidden = self._weights["gru.weight_hh_l0"].shape[1]
        self._forward = [np.zeros(hidden, np.float32), np.zeros(hidden, np.float32)]
        self._samples = np.zeros(SIZE // 2 - HOP // 2, np.float32)  # the first window begins before the sound
        self._mels = np.zeros((0, len(mel_filters())), np.float32)
        self._first = 0  # frame number of the oldest mel frame that is kept
        self._carried = 0  # steps whose forward state is kept
        self._due = 0  # the next frame to give
        self._counted = 0  # mel frames in the mean
        self._heard = 0  # samples
        self._sum = np.zeros(len(mel_filters()))
        self._loudest = _QUIET_SPEECH
        self._hann = np.hanning(SIZE).astype(np.float32)

    def feed(self, samples: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "frames phones"]:
        """The next 16 kHz samples, any number; the frames that are now due."""
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        self._heard += len(samples)
        return self._answer(final=False)

    def finish(self) -> Float32[np.ndarray, "frames phones"]:
        """The frames that still wait for what comes behind them; after this the stream is over."""
        self._samples = np.pad(self._samples, (0, SIZE))
        return self._answer(final=True)

    def _answer(self, final: bool) -> Float32[np.ndarray, "frames phones"]:
        self._listen()
        answers = [np.zeros((0, len(PHONES)), np.float32)]
        heard = self._first + len(self._mels)
        if final:
            heard = min(heard, round(self._heard / HOP))
        while self._due + STEP + self.look_ahead <= heard:
            edge = self._due + STEP + self.look_ahead
            answers.append(self._posteriors(edge, self._due, self._due + STEP))
            self._due += STEP
        if final and heard > self._due:
            answers.append(self._posteriors(heard, self._due, heard))
            self._due = heard
        return np.concatenate(answers)

    def _listen(self) -> None:
        """Whole windows of the samples at hand become log-mel frames."""
        count = (len(self._samples) - SIZE) // HOP + 1
        if count < 1:
            return
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, SIZE)[: count * HOP : HOP]
        power = np.abs(np.fft.rfft(windows * self._hann, 512)).astype(np.float32) ** 2
        logs = np.log(power @ mel_filters().T + _QUIETEST)
        self._samples = self._samples[count * HOP :]
        self._mels = np.concatenate([self._mels, logs])

    def _mean_at(self, edge: int) -> Float[np.ndarray, "bands"]:
        """Mean of the mel frames before `edge`, with the usual one while little was heard."""
        for frame in self._mels[self._counted - self._first : edge - self._first]:
            count = min(self._counted, _MOST_FRAMES - 1)
            self._sum += (frame - self._sum) / (count + 1)
            self._loudest = max(self._loudest, float(frame.mean()))
            self._counted += 1
        usual = self._loudest + np.interp(np.linspace(0, 1, len(self._sum)), _SHAPE_AT, _SHAPE)
        count = min(self._counted, _MOST_FRAMES)
        return (count * self._sum + _USUAL_FRAMES * usual) / (count + _USUAL_FRAMES)

    def _posteriors(self, edge: int, first: int, last: int) -> Float32[np.ndarray, "frames phones"]:
        """Log posteriors of the frames first..last, hearing nothing from frame `edge` on."""
        margin = 2 * _EDGE * STEP
        oldest = max(0, self._carried * STEP - margin)
        known = self._mels[oldest - self._first : edge - self._first]
        mels = ((known - self._mean_at(edge)) / 2).astype(np.float32)
        x = convolved(self._weights, mels)[self._carried - oldest // STEP :]
        keep = max(0, min(edge // STEP - _CARRIED, first // STEP) - self._carried)  # steps that will not change
        for layer in (0, 1):
            ahead = gru_layer(x, self._weights, f"l{layer}", self._forward[layer])
            behind = gru_layer(x[::-1], self._weights, f"l{layer}_reverse")[::-1]
            if keep:
                self._forward[layer] = ahead[keep - 1]
            x = np.concatenate([ahead, behind], 1)
        logits = to_logits(self._weights, x)
        start = self._carried * STEP
        self._carried += keep
        drop = max(0, self._carried * STEP - margin) - self._first
        if drop > 0:
            self._mels, self._first = self._mels[drop:], self._first + drop
        return logits[first - start : last - start]


# ---- from posteriors to the mouth ----

_FOLLOW, _FOLLOW_SEAL = 0.014, 0.009  # s: time constants of the mouth's critically damped movement
_PHONE_VISEMES = [VISEME_OF_PHONE[phone] for phone in PHONES]
_CHANNELS = (*MOUTH_CHANNELS, SEAL)


def _table() -> tuple[np.ndarray, np.ndarray]:
    """(phones, channels) targets and dominances."""
    targets = np.array([[TARGETS[viseme].get(channel, 0.0) for channel in _CHANNELS] for viseme in _PHONE_VISEMES])
    jaw = _CHANNELS.index("jawOpen")
    targets[:, jaw] *= [REDUCED_JAW.get(phone, 1.0) for phone in PHONES]
    weights = np.array([[dominance(viseme, channel) for channel in _CHANNELS] for viseme in _PHONE_VISEMES])
    return targets, weights


class LiveMouth:
    """ARKit mouth weights at `rate` frames a second from 16 kHz sound that arrives in chunks.

        mouth = LiveMouth()
        for chunk in microphone:              # float32 mono, any length
            for time, weights in mouth.feed(chunk): ...

    Frame k is the mouth at k / rate seconds of the sound. It comes `delay` seconds after that moment was heard.
    """

    def __init__(self, look_ahead: float = 0.08, rate: float = 60.0, gain: float = 1.0) -> None:
        if not 10 <= rate <= 100:
            raise InputError(f"rate is {rate:g}; expected 10 to 100 frames a second")
        self.rate, self.gain = rate, gain
        self._phones = PhoneStream(look_ahead)
        self._targets, self._weights = _table()
        self._once = self._twice = np.zeros(len(_CHANNELS))
        self._grid = 0  # 10 ms frames that were moved through
        self._frame = 0
        self._lag = round(2 * _FOLLOW * 100) / 100
        """The follower comes so late; frames are given out that much earlier in its time."""

    @property
    def delay(self) -> float:
        """Seconds from a moment of the sound to its frame, not counting the length of the chunks."""
        return (self._phones.look_ahead + STEP) / 100 + (SIZE - HOP) / 2 / RATE + self._lag

    def feed(self, samples: Float32[np.ndarray, "n"]) -> list[tuple[float, dict[str, float]]]:
        """(time, weights) of the frames that are now due."""
        return self._move(self._phones.feed(samples))

    def finish(self) -> list[tuple[float, dict[str, float]]]:
        """The last frames; the mouth closes behind them."""
        rest = self._phones.finish()
        silence = np.full((round(100 * self._lag) + 2, len(PHONES)), -20.0, np.float32)
        silence[:, PHONES.index("SIL")] = 0
        return self._move(np.concatenate([rest, silence]))

    def _move(self, posteriors: Float32[np.ndarray, "frames phones"]) -> list[tuple[float, dict[str, float]]]:
        frames = []
        decay = np.exp(-0.01 / np.where(np.array(_CHANNELS) == SEAL, _FOLLOW_SEAL, _FOLLOW))
        for row in np.exp(posteriors):
            strength = row[:, None] * self._weights
            goal = (strength * self._targets).sum(0) / strength.sum(0)
            before = self._twice
            self._once = decay * self._once + (1 - decay) * goal
            self._twice = decay * self._twice + (1 - decay) * self._once
            now = (self._grid + 0.5) / 100 - self._lag  # of the sound, whose mouth stands in self._twice
            while (time := self._frame / self.rate) <= now:
                part = np.clip(1 - (now - time) * 100, 0, 1)
                frames.append((time, self._arkit(before + part * (self._twice - before))))
                self._frame += 1
            self._grid += 1
        return frames

    def _arkit(self, values: np.ndarray) -> dict[str, float]:
        channels = dict(zip(_CHANNELS, map(float, values), strict=True))
        seal = float(np.clip(2 * channels.pop(SEAL) - 0.3, 0, 1))
        jaw = max(min(1.0, self.gain * channels.pop("jawOpen")), 0.03 * seal)
        weights = {"jawOpen": jaw, "mouthClose": float(mouth_close(seal, jaw))}
        opening = ("mouthFunnel", "mouthLowerDown", "mouthUpperUp", "mouthStretch")  # nothing may part sealed lips
        for channel, value in channels.items():
            value = min(1.0, self.gain * value * (1 - seal if channel in opening else 1))
            if channel in PAIRED:
                weights |= {f"{channel}Left": value, f"{channel}Right": value}
            else:
                weights[channel] = value
        return weights
