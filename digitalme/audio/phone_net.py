"""A small network of our own that hears phones: log-mel in, phone posteriors out, run in numpy.

Three convolutions (the second halves the frame rate), two bidirectional GRU layers, and an output that gives two
frames for each step. About a million weights, trained by tools/train_phones.py on synthesised speech in noise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from digitalme.audio.phones import PHONES
from digitalme.paths import asset

RATE, HOP, SIZE, BANDS = 16_000, 160, 400, 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 7600.0


@lru_cache(maxsize=1)
def mel_filters(stretch: float = 1.0) -> Float32[np.ndarray, "bands bins"]:
    """Triangles evenly spaced in mel (O'Shaughnessy) over the bins of a 512-point spectrum, all frequencies divided by
    `stretch` (training hears speakers of other sizes so)."""
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    edges = 700 * (10 ** (np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2) / 2595) - 1) / stretch
    hertz = np.fft.rfftfreq(512, 1 / RATE)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(
    samples: Float32[np.ndarray, "n"], filters: Float32[np.ndarray, "bands bins"] | None = None
) -> Float32[np.ndarray, "frames bands"]:
    """Log energies of 16 kHz sound on the 100 Hz grid, each band less its mean over the clip, in units of 2 nepers."""
    count = max(1, round(len(samples) / HOP))
    before = SIZE // 2 - HOP // 2
    padded = np.pad(np.asarray(samples, np.float32), (before, SIZE + HOP * count))
    windows = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[: HOP * count : HOP]
    energies = np.empty((count, BANDS), np.float32)
    hann = np.hanning(SIZE).astype(np.float32)
    for start in range(0, count, 3000):  # blocks keep memory small
        power = np.abs(np.fft.rfft(windows[start : start + 3000] * hann, 512)) ** 2
        energies[start : start + 3000] = power @ (mel_filters() if filters is None else filters).T
    logs = np.log(energies + 1e-6)
    return ((logs - logs.mean(0)) / 2).astype(np.float32)


@lru_cache(maxsize=1)
def network_weights() -> dict[str, np.ndarray]:
    """All arrays of assets/phones.safetensors in float32."""
    from safetensors.numpy import load_file

    return {name: array.astype(np.float32) for name, array in load_file(asset("phones.safetensors")).items()}


def log_posteriors(samples: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "frames phones"]:
    """Log probability of each of PHONES in each frame of the 100 Hz grid, for 16 kHz sound."""
    return forward(network_weights(), log_mel(samples))


def log_prior() -> Float32[np.ndarray, "phones"]:
    """Log chance of each of PHONES in any frame of the corpus."""
    return network_weights()["prior"]


def bigram() -> Float32[np.ndarray, "phones phones"]:
    """Log chance of the next phone (column) after each phone (row) in the corpus."""
    return network_weights()["bigram"]


def forward(weights: dict[str, np.ndarray], mels: Float32[np.ndarray, "frames bands"]) -> np.ndarray:
    """The network itself: (frames, bands) -> (frames, phones) log posteriors. Same numbers as the trainer's torch."""
    x = convolved(weights, mels)
    for layer in (0, 1):
        ahead = gru_layer(x, weights, f"l{layer}")
        behind = gru_layer(x[::-1], weights, f"l{layer}_reverse")[::-1]
        x = np.concatenate([ahead, behind], 1)
    return to_logits(weights, x)[: len(mels)]


def convolved(weights: dict[str, np.ndarray], mels: Float32[np.ndarray, "frames bands"]) -> np.ndarray:
    """(frames, bands) -> (steps, channels), a step being two frames."""
    x = np.pad(mels, ((0, len(mels) % 2), (0, 0)))
    x = _relu(_convolve(x, weights["conv1.weight"], weights["conv1.bias"], 1))
    x = _relu(_convolve(x, weights["conv2.weight"], weights["conv2.bias"], 2))
    return _relu(_convolve(x, weights["conv3.weight"], weights["conv3.bias"], 1))


def to_logits(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """(steps, features) -> (frames, phones) log posteriors."""
    logits = (x @ weights["out.weight"].T + weights["out.bias"]).reshape(-1, len(PHONES))
    logits -= logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def _convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """1-D convolution over time with zero padding of half the kernel; kernel (out, in, width) as in torch."""
    width = kernel.shape[2]
    padded = np.pad(x, ((width // 2, width // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, 0)[::stride]  # (frames, in, width)
    return windows.reshape(len(windows), -1) @ kernel.reshape(len(kernel), -1).T + bias


def gru_layer(x: np.ndarray, weights: dict[str, np.ndarray], name: str, state: np.ndarray | None = None) -> np.ndarray:
    """A GRU layer over time (Cho et al. 2014, in torch's form): gates reset, update, new. `state` is the one before."""
    into = x @ weights[f"gru.weight_ih_{name}"].T + weights[f"gru.bias_ih_{name}"]
    recurrent, bias = np.ascontiguousarray(weights[f"gru.weight_hh_{name}"]), weights[f"gru.bias_hh_{name}"]
    size = recurrent.shape[1]
    state = np.zeros(size, np.float32) if state is None else state
    out = np.empty((len(x), size), np.float32)
    for step, given in enumerate(into):
        own = recurrent @ state + bias
        gates = 0.5 + 0.5 * np.tanh(0.5 * (given[: 2 * size] + own[: 2 * size]))
        new = np.tanh(given[2 * size :] + gates[:size] * own[2 * size :])
        state = new + gates[size:] * (state - new)
        out[step] = state
    return out
