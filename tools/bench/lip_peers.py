"""Other people's lip-sync programs on the clips of the lip-sync bench: Rhubarb, TalkingHead's rules, headaudio and
wawa-lipsync, all from npm, run by Node. `tools/bench/lips.py --peers` prints them beside ours.

Their packages (45 MB) are installed into the user's cache; without npm, or where they cannot be had, that is told.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio.files import ANALYSIS_RATE, resample
from digitalme.body.visemes import SIX_CLASSES, VISEMES
from digitalme.metrics.lips import GRID, six_class_track, viseme_track, weighted_f1
from digitalme.store import default_root

HERE = Path(__file__).parent / "peers"
Track = np.ndarray
SIX = ("X", *sorted(set(SIX_CLASSES.values()) - {"X"}))
_RHUBARB = {"A": "A", "B": "B", "C": "CD", "D": "CD", "E": "E", "F": "F", "G": "G", "H": "B", "X": "X"}
LIVE = ("headaudio", "wawa-lipsync")
LAGS = range(-10, 31)
"""10 ms steps: the live programs' best constant lag is found on the clean clips and taken out of all."""


def installed() -> Path | str:
    """The folder with the programs, or why there is none."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        return "npm and node are not installed"
    folder = default_root() / "lip_peers"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    have = folder / "package.json"
    if not (have.exists() and have.read_text() == wanted and (folder / "node_modules").is_dir()):
        shutil.copy(HERE / "package.json", have)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--legacy-peer-deps"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            have.unlink()
            return "npm could not install them: " + done.stderr.strip().splitlines()[-1]
    return folder


def run_peers(programs: Path, clips: list[tuple[Voice, tuple[TimedLabel, ...]]]) -> dict[str, dict]:
    """{program: {"seconds": CPU seconds, "clips": cues of each clip} or {"error": why}} for voices with their words."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        about = []
        for number, (voice, words) in enumerate(clips):
            sound = resample(voice.samples, voice.rate, ANALYSIS_RATE)
            np.round(np.clip(sound, -1, 1) * 32767).astype("<i2").tofile(folder / f"{number}.16.raw")
            resample(voice.samples, voice.rate, 44_100).astype("<f4").tofile(folder / f"{number}.44.raw")
            spans = [[word.label, word.start, word.end] for word in words]
            about.append({"name": str(number), "text": voice.text, "words": spans})
        (folder / "clips.json").write_text(json.dumps(about))
        shutil.copy(HERE / "run.mjs", programs / "run.mjs")
        subprocess.run(["node", "run.mjs", str(folder)], cwd=programs, check=True, capture_output=True)
        return json.loads((folder / "peers.json").read_text())


def tracks(cues: list[list], seconds: float) -> tuple[Track | None, Track]:
    """(15 visemes or None where the program has Rhubarb's shapes; 6 classes) in each 10 ms."""
    middles = (np.arange(round(seconds * GRID)) + 0.5) / GRID
    fine, coarse = np.zeros(len(middles), np.int64), np.zeros(len(middles), np.int64)
    shapes = all(name in _RHUBARB for _, _, name in cues)
    for start, end, name in cues:
        span = (middles >= start) & (middles < end)
        if shapes:
            coarse[span] = SIX.index(_RHUBARB[name])
        else:
            fine[span] = VISEMES.index(name)
            coarse[span] = SIX.index(SIX_CLASSES[name])
    return (None if shapes else fine), coarse


def shifted(track: Track, frames: int) -> Track:
    """The track so many frames earlier; silence comes in at the end."""
    moved = np.zeros_like(track)
    if frames >= 0:
        moved[: len(track) - frames] = track[frames:]
    else:
        moved[-frames:] = track[:frames]
    return moved


def best_lag(pairs: list[tuple[Track, Track]]) -> int:
    """Frames by which (truth, said) agree best on the whole."""
    return max(LAGS, key=lambda lag: np.mean([weighted_f1(truth, shifted(said, lag)) for truth, said in pairs]))


def table(clean: list, noisy: list, programs: Path) -> list[str]:
    """Rows `| program | lag ms | F1 of 15 | F1 of 6 | CPU |`, clean / noisy; clips are (voice, true phones, words)."""
    found = [run_peers(programs, [(voice, words) for voice, _, words in clips]) for clips in (clean, noisy)]
    seconds = sum(voice.seconds for voice, _, _ in clean)
    rows = []
    for program in found[0]:
        errors = [one[program]["error"] for one in found if "error" in one[program]]
        if errors:
            rows.append(f"| {program} | could not run: {errors[0]} |")
            continue
        scores: list[list[tuple[float, float]]] = []
        lag = 0
        for one, clips in zip(found, (clean, noisy), strict=True):
            pairs = []
            for cues, (voice, phones, _) in zip(one[program]["clips"], clips, strict=True):
                true = viseme_track(phones, voice.seconds)
                fine, coarse = tracks(cues, voice.seconds)
                pairs.append((true, fine, six_class_track(true), coarse))
            if one is found[0] and program in LIVE:
                lag = best_lag([(six, coarse) for _, _, six, coarse in pairs])
            scores.append(
                [
                    (
                        np.nan if fine is None else weighted_f1(true, shifted(fine, lag)),
                        weighted_f1(six, shifted(coarse, lag)),
                    )
                    for true, fine, six, coarse in pairs
                ]
            )
        means = [np.mean(one, 0) for one in scores]
        fine_text = "-" if np.isnan(means[0][0]) else f"{means[0][0]:.3f} / {means[1][0]:.3f}"
        cpu = sum(one[program]["seconds"] for one in found) / (2 * seconds)
        rows.append(f"| {program} | {10 * lag} | {fine_text} | {means[0][1]:.3f} / {means[1][1]:.3f} | {cpu:.3f} |")
    return rows
