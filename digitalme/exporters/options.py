"""What a user may choose about exported files: the knobs of the export stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from digitalme.errors import InputError

FORMATS = ("glb", "vrm", "vrma", "usd", "obj", "fbx", "livelink", "bvh")
PROFILES = ("rpm", "mixamo")
POSES = ("T", "A")
LICENCES = ("strict", "open")
IMAGE_FORMATS = ("jpeg", "webp", "png")
COMPRESSIONS = ("none", "meshopt", "draco")


@dataclass(frozen=True)
class ExportConfig:
    """Formats, and how they are written."""

    formats: tuple[str, ...] = ("glb", "vrm")
    """Which files to write, one per format."""
    profile: str = "rpm"
    """Bone names: "rpm" (Ready Player Me) or "mixamo" (the same with the prefix mixamorig:)."""
    pose: str = "T"
    """Bind pose: "T" (arms level) or "A" (arms 45 degrees down)."""
    texture_size: int = 2048
    """Longest side of a texture, pixels; larger ones are made smaller."""
    image_format: str = "jpeg"
    """Opaque textures as "jpeg", "png" or "webp" (half the size; the loader needs EXT_texture_webp)."""
    morph_normals: bool = False
    """Morph targets turn the normals too, so that a smile is shaded as one: about half as large again."""
    compress: str = "none"
    """Numbers of a GLB as "none", "meshopt" (a third of the size; the loader needs EXT_meshopt_compression) or "draco"
    (shapes only, morphs stay as they are; KHR_draco_mesh_compression)."""
    triangles: int = 0
    """About so many triangles at most (70000, 30000, 10000, 3000, ...); 0 keeps all."""
    levels: tuple[int, ...] = ()
    """Triangles of each level of detail, most first: 30000 10000 3000 writes avatar_LOD0.glb, avatar_LOD1.glb, ….
    A sole avatar.fbx has all of them in it, its meshes named …_LOD0, …_LOD1, as Unity wants them."""
    face_only: bool = False
    """Leave out what hangs below the neck, and clothes."""
    clip_rate: float = 30.0
    """Frames a second of the performance in the file."""
    clip_seconds: float = 60.0
    """So much of a longer performance goes into the file; performance.json has it all."""

    author: str = ""
    """Who a VRM names as its author; "the person depicted" by default."""
    licence: str = "strict"
    """A VRM's permissions: "strict" (only the author may use it, not for profit, unchanged) or "open" (everyone)."""
    watermark: bool = True
    """Mark the face's texture, invisibly, as made by digitalme; `digitalme verify` reads it."""
    consent: str = ""
    """Digest of the consent record (digitalme.trust.consent), written into the file's asset.extras."""

    def __post_init__(self) -> None:
        for name in self.formats:
            _one_of("format", name, FORMATS)
        _one_of("profile", self.profile, PROFILES)
        _one_of("licence", self.licence, LICENCES)
        _one_of("pose", self.pose, POSES)
        _one_of("image_format", self.image_format, IMAGE_FORMATS)
        _one_of("compress", self.compress, COMPRESSIONS)
        if self.triangles and not 500 <= self.triangles <= 10_000_000:
            raise InputError(f"triangles is {self.triangles}; expected 500 or more, or 0 for all")
        for triangles in self.levels:
            if not 500 <= triangles <= 10_000_000:
                raise InputError(f"levels has {triangles} triangles; expected 500 or more for each level")
        if list(self.levels) != sorted(set(self.levels), reverse=True):
            raise InputError(f"levels is {' '.join(map(str, self.levels))}; expected fewer triangles in each next one")
        if not 16 <= self.texture_size <= 8192:
            raise InputError(f"texture_size is {self.texture_size}; expected 16 to 8192 pixels")


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{what} '{value}' is not known; expected one of {', '.join(known)}")


DEFAULT = ExportConfig()
FOR_THE_WEB: dict[str, Any] = {
    "image_format": "webp",
    "texture_size": 1024,
    "compress": "meshopt",
    "morph_normals": True,
}
"""Knobs for a GLB that a web page loads."""
