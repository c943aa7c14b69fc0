"""The person's own hair: a shell around the skull that fills the photo's silhouette and shows the photo's hair.

What the photo saw is projected; what it did not see is mirrored from beside it and brought to the palette's tones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material
from digitalme.artifacts.likeness import Camera
from digitalme.artifacts.portrait import Portrait
from digitalme.body.character import JOINT_NAMES, vertex_normals
from digitalme.body.garment import keep_faces
from digitalme.body.hair_color import hair_palette, strands
from digitalme.body.landmarks import OVAL
from digitalme.body.model import BodyModel
from digitalme.body.scalp import MAX_POLAR, Scalp, ear_vertices, hairline
from digitalme.imaging.drawing import smoothstep

_BINS = 72
_ENLARGE = 3


@dataclass(frozen=True)
class HairShell:
    """The shell: thickness over the skull (polars, azimuths), and its texture in the same layout."""

    scalp: Scalp
    thickness: Float[np.ndarray, "p a"]
    texture: UInt8[np.ndarray, "h w 4"]


@dataclass(frozen=True)
class _View:
    """The photo's axes in the world: toward the camera, right and up in the picture."""

    toward: np.ndarray
    right: np.ndarray
    up: np.ndarray

    @classmethod
    def of(cls, camera: Camera) -> _View:
        rotation = np.asarray(camera.camera_from_world)[:, :3]
        return cls(-rotation[2], rotation[0], -rotation[1])


def silhouette_reach(hair: np.ndarray, scalp: Scalp, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """How far the hair reaches from the projected centre, metres, in 72 picture directions (0 where there is none).

    Also the lowest hair on the picture's left and right as world heights (99th percentile).
    """
    center = camera.project(scalp.center)
    scale = center[2] / camera.focal_px
    rows, columns = np.nonzero(hair > 0.5)
    x, y = columns + 0.5 - center[0], -(rows + 0.5 - center[1])
    bins = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * _BINS).astype(int) % _BINS
    reach = np.zeros(_BINS)
    distance = np.hypot(x, y) * scale
    for i in range(_BINS):
        if (bins == i).any():
            reach[i] = np.percentile(distance[bins == i], 99.5)
    lowest = [scalp.center[1] + (np.percentile(y[side], 1) * scale if side.any() else 0.0) for side in (x < 0, x >= 0)]
    return reach, np.array(lowest)


def fit_thickness(scalp: Scalp, reach: np.ndarray, view: _View) -> Float[np.ndarray, "p a"]:
    """Hair thickness over the skull so that the silhouette is the photo's: thin at the face, full at the rim."""
    azimuth, polar = scalp.grid()
    direction = scalp.directions(azimuth, polar)
    facing = direction @ view.toward
    around = np.arctan2(direction @ view.up, direction @ view.right)
    place = (around + np.pi) / (2 * np.pi) * _BINS
    bare = np.zeros(_BINS)
    rim = np.where(np.abs(facing) < 0.5, scalp.radius * np.sqrt(1 - facing**2), 0)
    np.maximum.at(bare, place.astype(int).ravel() % _BINS, rim.ravel())
    full = np.where(reach > 0, np.maximum(reach - bare, 0.004), 0)
    smooth = cv2.GaussianBlur(np.concatenate([full] * 3)[None].astype(np.float32), (0, 0), 1.2)[0, _BINS : 2 * _BINS]
    low = np.floor(place - 0.5).astype(int)
    share = place - 0.5 - low
    here = smooth[low % _BINS] * (1 - share) + smooth[(low + 1) % _BINS] * share
    centers = (np.arange(_BINS) + 0.5) / _BINS * 2 * np.pi - np.pi
    above = full[(np.sin(centers) > 0.5) & (reach > 0)]
    on_top = float(np.median(above)) if len(above) else 0.006

    beta = np.arccos(np.clip(facing, -1, 1))
    front = np.where(beta < np.pi / 2, 0.30 + 0.70 * smoothstep(np.radians(20), np.radians(80), beta), 1.0)
    back = np.clip(beta / (np.pi / 2) - 1, 0, 1)
    # behind, hair thins out toward the nape
    nape = (hairline(azimuth) - polar) * scalp.radius
    level = full[(np.abs(np.sin(centers)) < 0.35) & (reach > 0)]
    at_ears = float(np.median(level)) if len(level) > 4 else 0.0
    behind = at_ears + (on_top - at_ears) * smoothstep(-0.2, 0.7, direction @ view.up)
    behind = np.maximum(0.6 * here, 0.85 * behind) * (0.35 + 0.65 * smoothstep(-0.01, 0.07, nape))
    thickness = here * front * (1 - back) + behind * back
    wrapped = np.concatenate([np.maximum(thickness, 0.004)] * 3, 1).astype(np.float32)
    blurred = cv2.GaussianBlur(wrapped, (0, 0), 2.2)[:, thickness.shape[1] : 2 * thickness.shape[1]]
    blurred[0] = blurred[0].mean()
    return blurred.astype(np.float64)


def hair_outside_face(portrait: Portrait) -> np.ndarray:
    """The hair mask without what lies on the cheeks: inside the eroded face oval, below the brows."""
    points = portrait.landmarks[:, :2]
    inner = np.zeros(portrait.hair.shape, np.uint8)
    cv2.fillPoly(inner, [np.round(points[list(OVAL)]).astype(np.int32)], 1)
    face = np.linalg.norm(points[152] - points[10])
    inner = cv2.erode(inner, np.ones((3, 3), np.uint8), iterations=max(1, round(0.02 * face)))
    up = (points[10] - points[152]) / face
    rows, columns = np.mgrid[: inner.shape[0], : inner.shape[1]]
    height = (columns - points[168, 0]) * up[0] + (rows - points[168, 1]) * up[1]
    bare = (inner > 0) & (height < 0.05 * face)
    beside = (inner == 0) & (height < 0.05 * face) & (height > -0.6 * face)
    if (portrait.hair * beside).sum() < 0.06 * face**2:  # too little for hair beside the face: lit ears and cheeks
        bare = height < -0.02 * face
    return np.where(bare, 0, portrait.hair)


def _photo_of_hair(portrait: Portrait) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enlarged: hair colours carried outward over its edge (0..1), eroded hair (0..1), and what is not bare person."""
    big = cv2.resize(portrait.image, None, fx=_ENLARGE, fy=_ENLARGE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    hair = cv2.resize(hair_outside_face(portrait), None, fx=_ENLARGE, fy=_ENLARGE, interpolation=cv2.INTER_CUBIC)
    core = cv2.erode((hair > 0.5).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(np.float32)
    spread = cv2.GaussianBlur(big * core[..., None], (0, 0), 8) / (cv2.GaussianBlur(core, (0, 0), 8)[..., None] + 1e-4)
    color = np.where(core[..., None] > 0.5, big, spread) / 255
    open_ = cv2.resize(np.maximum(hair_outside_face(portrait), 1 - portrait.person), None, fx=_ENLARGE, fy=_ENLARGE,
                       interpolation=cv2.INTER_CUBIC)  # fmt: skip
    return color.astype(np.float32), core, cv2.GaussianBlur(open_, (0, 0), 2.2)


def paint_shell(
    portrait: Portrait, camera: Camera, scalp: Scalp, thickness: np.ndarray, lowest: np.ndarray,
    width: int = 768, height: int = 576,
) -> UInt8[np.ndarray, "h w 4"]:  # fmt: skip
    """The shell's texture over (azimuth, polar), strands running from the crown down."""
    view = _View.of(camera)
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    azimuth, polar = u * 2 * np.pi, v * MAX_POLAR
    points = scalp.surface(azimuth, polar, scalp.sample(thickness, azimuth, polar))
    color, core, open_ = _photo_of_hair(portrait)

    def look_up(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
        place = (camera.project(at)[..., :2] * _ENLARGE - 0.5).astype(np.float32)
        return cv2.remap(picture, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    beta = np.degrees(np.arccos(np.clip(scalp.directions(azimuth, polar) @ view.toward, -1, 1)))
    photo = look_up(color, points)
    known = smoothstep(86, 60, beta) * look_up(core, points)

    # Behind the ears: fold the azimuth back into the strip at the side that the photo saw, and level the light there.
    side = (azimuth + np.pi) % (2 * np.pi) - np.pi
    fold = np.abs((np.abs(np.degrees(side)) - 38) % 44 - 22) + 38
    fold = np.where(np.degrees(np.abs(side)) > 60, fold, np.abs(np.degrees(side)))
    left_share = smoothstep(-0.35, 0.35, np.sin(side))[..., None]
    mirrored, mirrored_known = np.zeros_like(photo), np.zeros(photo.shape[:2], np.float32)
    for sign, share in ((1, left_share), (-1, 1 - left_share)):
        turned = sign * np.radians(fold)
        folded = scalp.surface(turned, polar, scalp.sample(thickness, turned, polar))
        mirrored += (look_up(color, folded) * share).astype(np.float32)
        mirrored_known += (look_up(core, folded) * share[..., 0]).astype(np.float32)
    palette = hair_palette(portrait)
    drawn, noise = strands(width, height, palette * np.array([[0.92], [1.0], [0.97]]), wave=4, contrast=0.75)

    def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
        shrink = 4 if sigma > 12 else 1
        small = cv2.resize(
            picture.astype(np.float32), (width // shrink, height // shrink), interpolation=cv2.INTER_AREA
        )
        wrapped = cv2.GaussianBlur(np.concatenate([small] * 3, 1), (0, 0), sigma / shrink)
        return cv2.resize(wrapped[:, width // shrink : 2 * (width // shrink)], (width, height))

    # fine structure: the photo's where it can be mirrored, drawn strands elsewhere
    trust = blur(mirrored_known, 4)[..., None]
    trust = trust * smoothstep(30, 60, np.degrees(polar))[..., None]  # a fold at the crown would show as a star
    fine = (mirrored - blur(mirrored, 18)) * trust + 0.6 * (drawn - blur(drawn, 18)) * (1 - 0.7 * trust)
    weight = known * (core.max() > 0)
    near = blur(photo * weight[..., None], 45) / (blur(weight, 45)[..., None] + 1e-3)
    certain = np.clip(blur(weight, 45) * 4, 0, 1)[..., None]
    base = palette[1] * (0.97 - 0.12 * smoothstep(40, 120, np.degrees(polar))[..., None])
    unseen = base * (1 - 0.75 * certain) + near * 0.75 * certain + fine
    mix = blur(known, 5)[..., None]
    picture = photo * mix + unseen * (1 - mix)

    # alpha: in front the photo decides (only bare face and neck cut it), behind the hairline and the lowest hair do
    half = np.where((points - scalp.center) @ view.right < 0, lowest[0], lowest[1])
    bottom = blur(half, 30)
    ragged = np.clip(noise, -2, 2) * 0.0025
    above_bottom = points[..., 1] - bottom + ragged
    nape = (hairline(side) - polar) * scalp.radius.mean() + ragged
    behind = smoothstep(-0.003, 0.009, np.maximum(above_bottom - 0.004, nape))
    front = smoothstep(0.35, 0.65, look_up(open_, points) + 0.04 * noise) * smoothstep(-0.012, 0.004, above_bottom)
    use_photo = smoothstep(98, 82, beta)
    alpha = front * use_photo + behind * (1 - use_photo)
    alpha[-8:] = 0
    wide = np.concatenate([alpha] * 3, 1).astype(np.float32)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((41, 41), np.uint8))[:, width : 2 * width]
    alpha = np.where(polar < np.radians(52), np.maximum(alpha, closed), alpha)  # no holes on the top of the head
    alpha = _without_islands(alpha)
    shade = 1 - 0.35 * smoothstep(0.03, 0.0, above_bottom)[..., None] * (1 - mix)
    rgba = np.concatenate([np.clip(picture * shade, 0, 1), alpha[..., None]], -1)
    return np.round(rgba * 255).astype(np.uint8)


def _without_islands(alpha: np.ndarray) -> np.ndarray:
    """Alpha without small pieces that float beside the hair (the left edge continues at the right one)."""
    wide = np.concatenate([alpha] * 2, 1) > 0.25
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wide.astype(np.uint8), connectivity=4)
    if count < 3:
        return alpha
    small = np.isin(labels, np.flatnonzero(stats[:, 4] < 0.05 * stats[1:, 4].max()))
    width = alpha.shape[1]
    return np.where(small[:, :width] & small[:, width:], 0, alpha)


def fit_shell(portrait: Portrait, camera: Camera, scalp: Scalp) -> HairShell:
    """The photo's hair around this skull (0.5 s). The camera is the portrait's, the head at the body model's place."""
    reach, lowest = silhouette_reach(hair_outside_face(portrait), scalp, camera)
    thickness = fit_thickness(scalp, reach, _View.of(camera))
    return HairShell(scalp, thickness, paint_shell(portrait, camera, scalp, thickness, lowest))


def shell_meshes(shell: HairShell, azimuths: int = 96, polars: int = 60) -> list[AvatarMesh]:
    """Two layers, the inner one darker; only quads that show. About 15,000 triangles together; texture "hair"."""
    turn, down = np.meshgrid(np.linspace(0, 2 * np.pi, azimuths + 1), np.linspace(0, MAX_POLAR, polars))
    index = np.arange(turn.size).reshape(turn.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    alpha = cv2.dilate(shell.texture[..., 3], np.ones((9, 9), np.uint8))
    h, w = alpha.shape
    uvs = np.stack([turn / (2 * np.pi), down / MAX_POLAR], -1).reshape(-1, 2)
    spots = np.clip((uvs[faces].mean(1) * [w, h]).astype(int), 0, [w - 1, h - 1])
    shown = alpha[spots[:, 1], spots[:, 0]] > 20
    thickness = shell.scalp.sample(shell.thickness, turn, down)
    meshes = []
    for name, height, brightness in (("hair_inner", -0.0035, 0.75), ("hair", 0.0, 1.0)):
        points = shell.scalp.surface(turn, down, np.maximum(thickness + height, 0.001)).reshape(-1, 3)
        wrap = np.where(index % (azimuths + 1) == azimuths, index - azimuths, index).ravel()
        normals = vertex_normals(points, wrap[faces])[wrap]
        count = len(points)
        joints = np.zeros((count, 4), np.int32)
        joints[:, 0] = JOINT_NAMES.index("Head")
        weights = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
        material = Material(
            "Hair", "hair", (brightness, brightness, brightness, 1.0), "hair", roughness=0.6, alpha_mode="MASK",
            alpha_cutoff=0.35, double_sided=True,
        )  # fmt: skip
        mesh = AvatarMesh(
            name, points.astype(np.float32), normals, uvs.astype(np.float32), faces.astype(np.int32), joints, weights,
            material,
        )  # fmt: skip
        meshes.append(keep_faces(mesh, shown))
    return meshes


def settle_ears(
    vertices: np.ndarray, shell: HairShell, portrait: Portrait, camera: Camera, model: BodyModel
) -> tuple[Float[np.ndarray, "vertices 3"], HairShell]:
    """Each ear that the photo's hair covers is pulled inside the shell; around the others the shell is cut out."""
    ears = ear_vertices(model)
    tucked = np.array(vertices, np.float64)
    texture = shell.texture.copy()
    h, w = portrait.hair.shape
    for side in (-1, 1):
        ids = ears[np.sign(vertices[ears, 0]) == side]
        spots = np.clip(camera.project(vertices[ids])[:, :2].astype(int), 0, [w - 1, h - 1])
        if portrait.hair[spots[:, 1], spots[:, 0]].mean() < 0.5:
            texture[..., 3] = np.minimum(texture[..., 3], _away_from(vertices[ids], shell))
            continue
        azimuth, polar = shell.scalp.angles(vertices[ids])
        limit = shell.scalp.sample(shell.scalp.radius + 0.45 * shell.thickness, azimuth, polar)
        offset = vertices[ids] - shell.scalp.center
        scale = np.minimum(1, limit / np.linalg.norm(offset, axis=1))
        tucked[ids] = shell.scalp.center + offset * scale[:, None]
    return tucked, replace(shell, texture=texture)


def _away_from(ear: np.ndarray, shell: HairShell) -> UInt8[np.ndarray, "h w"]:
    """Alpha that is 0 on and before an ear and 255 from a centimetre above and behind it."""
    h, w = shell.texture.shape[:2]
    u, v = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
    azimuth, polar = u * 2 * np.pi, v * MAX_POLAR
    places = shell.scalp.surface(azimuth, polar, shell.scalp.sample(shell.thickness, azimuth, polar))
    side = np.sign(ear[0, 0])
    middle, half = (ear.max(0) + ear.min(0)) / 2, (ear.max(0) - ear.min(0)) / 2
    up, forward = places[..., 1] - middle[1], places[..., 2] - middle[2]
    inside = np.hypot(up / (half[1] + 0.002), forward / (half[2] + 0.002))
    keep = smoothstep(0.74, 0.92, inside)
    keep = np.where(places[..., 0] * side > 0.03, keep, 1.0)
    return np.round(255 * keep).astype(np.uint8)
