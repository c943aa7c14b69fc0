"""The nouns that flow between stages. Each is a frozen dataclass with save(folder), load(folder) and preview().

Files only: PNG, WAV, GLB, MP4, JSON, NPZ without pickle. preview() returns a picture (h, w, 3) uint8 for the report.
"""

from digitalme.artifacts.album import Album, Photos, Shown
from digitalme.artifacts.avatar import Avatar, AvatarMesh, Clip, Material, Morph, Skeleton
from digitalme.artifacts.description import Description, Sentence, Text
from digitalme.artifacts.draft import Draft
from digitalme.artifacts.export import Exports
from digitalme.artifacts.footage import Footage
from digitalme.artifacts.likeness import Camera, Likeness
from digitalme.artifacts.performance import Performance
from digitalme.artifacts.portrait import Photo, Portrait
from digitalme.artifacts.radiance import HeldOut, Radiance
from digitalme.artifacts.scorecard import Scorecard
from digitalme.artifacts.speech import Speech, TimedLabel, Voice
from digitalme.artifacts.video import Frames, Video

__all__ = [
    "Album", "Avatar", "AvatarMesh", "Camera", "Clip", "Description", "Draft", "Exports", "Footage", "Frames",
    "HeldOut", "Likeness", "Material", "Morph", "Performance", "Photo", "Photos", "Portrait", "Radiance", "Scorecard",
    "Sentence", "Shown", "Skeleton", "Speech", "Text", "TimedLabel", "Video", "Voice",
]  # fmt: skip
