"""Evaluate: the scorecard of a build, measured on the files that it hands over."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from digitalme.artifacts import Album, Exports, Likeness, Portrait, Scorecard, Speech, Video
from digitalme.artifacts.scorecard import Score
from digitalme.audio.files import sound_of_video
from digitalme.events import progress
from digitalme.exporters.glb import read_glb
from digitalme.imaging.exposure import well_lit_together
from digitalme.imaging.video import read_video
from digitalme.metrics.likeness import likeness_scores
from digitalme.metrics.talking import mouth_opening, talking_scores


@dataclass(frozen=True)
class EvaluateConfig:
    """How much is measured."""

    video_seconds: float = 10.0
    """So much of the video's beginning is looked at."""


def evaluate(
    portrait: Portrait,
    likeness: Likeness,
    exports: Exports,
    speech: Speech | None = None,
    video: Video | None = None,
    album: Album | None = None,
    config: EvaluateConfig = EvaluateConfig(),
) -> Scorecard:
    """Likeness of the exported avatar to the selfie, and of the video's mouth to its sound, beside their controls."""
    scores: list[Score] = []
    comparison = portrait.image
    name = next((name for name in ("avatar.glb", "avatar.vrm") if name in exports.files), None)
    if name is not None:
        others = album.portraits[1:] if album and likeness.cameras else ()
        lit = well_lit_together((portrait, *others))[0]
        scores, comparison = likeness_scores(portrait, likeness, read_glb(exports.files[name]), lit)
    progress(1, 2)
    if video is not None:
        frames = islice(read_video(video.path), round(config.video_seconds * video.fps))
        voice = sound_of_video(video.path)
        if voice.samples.any():  # a silent clip may have driven it
            scores += talking_scores(mouth_opening(frames), video.fps, voice, speech)
    progress(2, 2)
    return Scorecard(tuple(scores), comparison)
