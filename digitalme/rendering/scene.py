"""What is drawn and how: drawables, their surfaces, the lamps; and `draw`, the way into the CPU rasteriser.

    picture = draw([Drawable(positions, faces, texture=photo, uvs=uvs)], camera, background=(128, 128, 128))

Drawables are drawn in the order of the list. For a film, make one Scene, change `positions` (and `normals`) of its
drawables between the frames, and call Scene.draw: lists and textures are prepared once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from digitalme.artifacts import Camera
from digitalme.rendering import raster
from digitalme.spaces import srgb_to_linear

MODELS = {"unlit": raster.UNLIT, "lit": raster.LIT, "hair": raster.HAIR, "eye": raster.EYE, "toon": raster.TOON}
BLENDS = {"opaque": raster.OPAQUE, "mask": raster.MASK, "blend": raster.BLEND}
SKIP = 2  # in the table's column of culling: the drawable is hidden


@dataclass(frozen=True)
class Surface:
    """How a drawable answers to light."""

    model: str = "unlit"
    """unlit, lit (skin, cloth, ...), hair, eye or toon. Drawables of one scene are all unlit / toon, or all lit ones:
    the first two are composed in sRGB, as pictures are, the others in linear light."""
    specular: float = 0.25
    """Strength of the highlight."""
    roughness: float = 0.55
    """0 mirror .. 1 chalk."""
    wrap: float = 0.35
    """How far past the terminator the lamps reach, 0 (hard) .. 1: the soft look of skin."""
    soft: float = 0.0
    """The part of the colour that is shown unlit, 0..1: the light that is in a photograph's texture already."""
    relief: float = 1.0
    """Strength of the normal map."""
    scatter: float = 0.0
    """Red light at the terminator, as skin has."""


UNLIT = Surface()


@dataclass(eq=False)
class Drawable:
    """A mesh and how it looks. What is per vertex may change between frames; faces, uvs and textures stay."""

    positions: Float[np.ndarray, "v 3"]
    """World frame, metres."""
    faces: Int[np.ndarray, "f 3"]
    """Counter-clockwise seen from outside."""
    normals: Float[np.ndarray, "v 3"] | None = None
    """Unit vectors of the world frame; made from the faces when None and the surface is lit."""
    uvs: Float[np.ndarray, "..."] | None = None
    """(v, 2), or (f, 3, 2) for each corner. (0, 0) is the top left corner of the texture."""
    texture: UInt8[np.ndarray, "h w c"] | None = None
    """sRGB, 3 or 4 channels (alpha is straight), or (h, w) grey; clamped at its border."""
    normal_map: UInt8[np.ndarray, "nh nw 3"] | None = None
    """Tangent space, +Y up (OpenGL), as in glTF."""
    colors: Float[np.ndarray, "v c"] | None = None
    """sRGB 0..1, 3 or 4 channels, multiplied with the texture."""
    color: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    """sRGB and alpha of the whole drawable, multiplied with the rest."""
    light: Float[np.ndarray, "v 2"] | None = None
    """Baked: how much of the surroundings, and of the key lamp, each vertex sees; 1 when None."""
    surface: Surface = UNLIT
    blend: str = "opaque"
    """opaque; mask (texels of alpha below the cut-off are holes); blend (alpha over what was drawn before)."""
    alpha_cutoff: float = 0.5
    cull: bool = True
    """Leave out triangles seen from behind."""
    flip_back_normals: bool = True
    """Light the inside of an open sheet like its outside mirrored; False keeps the normals (hair)."""
    depth_test: bool = True
    depth_write: bool = True
    depth_bias: float = 0.0
    """Metres towards the camera, in the depth test only."""
    hidden: bool = False


@dataclass(frozen=True)
class Lamp:
    """A distant lamp."""

    direction: tuple[float, float, float]
    """Towards the lamp, world frame; any length."""
    color: tuple[float, float, float]
    """Linear light."""
    key: bool = False
    """Whether `Drawable.light[:, 1]` shades it; otherwise the occlusion does."""


@dataclass(frozen=True)
class Lighting:
    """Lamps and the even light of the surroundings, linear."""

    lamps: tuple[Lamp, ...] = ()
    sky: tuple[float, float, float] = (0.37, 0.366, 0.37)
    ground: tuple[float, float, float] = (0.25, 0.205, 0.18)
    toon_shadow: tuple[float, float, float] = (0.86, 0.78, 0.83)
    """Tint of the toon look's first shadow step (sRGB factor), warm pink."""
    toon_dark: tuple[float, float, float] = (0.74, 0.66, 0.74)


DEFAULT_LIGHTING = Lighting(
    (
        Lamp((0.5, 0.7, 1.0), (0.896, 0.816, 0.736), key=True),
        Lamp((-0.5, 0.21, 1.0), (0.22, 0.25, 0.30)),
    )
)


class Scene:
    """Drawables prepared for drawing many frames. Not safe to draw from two threads at once."""

    def __init__(self, drawables: Sequence[Drawable]):
        self.drawables = list(drawables)
        models = {d.surface.model for d in self.drawables}
        self.linear = bool(models & {"lit", "hair", "eye"})
        if self.linear and models & {"toon"}:
            raise ValueError("toon drawables are composed in sRGB, lit ones in linear light: use one or the other")
        counts = [len(d.positions) for d in self.drawables]
        self._start = np.cumsum([0, *counts])
        vertices = int(self._start[-1])
        self._faces = _joined(
            [np.asarray(d.faces, np.int32) + np.int32(s) for d, s in zip(self.drawables, self._start, strict=False)],
            (0, 3), np.int32,
        )  # fmt: skip
        face_counts = [len(d.faces) for d in self.drawables]
        self._face_drawable = np.repeat(np.arange(len(self.drawables), dtype=np.int32), face_counts)
        self._corner_uv = _joined([_corner_uvs(d) for d in self.drawables], (0, 3, 2), np.float32)
        self._positions = np.zeros((vertices, 3), np.float32)
        self._normals = np.zeros((vertices, 3), np.float32)
        self._view = np.zeros((vertices, 3), np.float32)
        self._view_normals = np.zeros((vertices, 3), np.float32)
        self._pixels = np.zeros((vertices, 3), np.float32)
        self._colors = np.ones((vertices, 4), np.float32)
        self._light = np.ones((vertices, 2), np.float32)
        self._packed: dict[tuple[int, str], np.ndarray] = {}
        self._texels, self._textures, self._texture_rows = _pack_textures(self.drawables)
        self._table = np.zeros((len(self.drawables), raster.INT_COLUMNS), np.int64)
        self._surface = np.zeros((len(self.drawables), raster.FLOAT_COLUMNS), np.float32)
        triangles = len(self._faces)
        self._corners = np.empty((2 * triangles, 6), np.int32)
        self._depths = np.empty((2 * triangles, 3), np.float32)
        self._source = np.empty((2 * triangles, 3), np.int32)
        self._cut = np.empty((2 * triangles, 3, 3), np.float32)
        self._items = np.empty(2 * triangles + 1024, np.int32)

    def draw(
        self,
        camera: Camera,
        background: tuple[float, float, float] | UInt8[np.ndarray, "h w 3"] = (255, 255, 255),
        lighting: Lighting = DEFAULT_LIGHTING,
        supersample: int = 2,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """The picture that the camera takes, sRGB. `background`: a colour 0..255 or a picture of the camera's size.

        supersample 2 takes coverage and depth at four samples a pixel, 1 at its centre (faster, jagged).
        """
        width, height = camera.width, camera.height
        background = check_background(background, width, height)
        count = self._assemble(camera)
        rotation = np.asarray(camera.camera_from_world[:, :3], np.float32)
        start, self._items = raster.bin_all(self._corners, count, width, height, self._items)
        picture = np.empty((height, width, 3), np.uint8)
        lamps, ambient = lamp_tables(lighting, rotation)
        samples = raster.SAMPLES[supersample * supersample]

        def tiles(part: int, parts: int) -> None:
            raster.draw_tiles(
                part, parts, samples, self.linear, width, height,
                self._corners, self._depths, self._source, self._cut, start, self._items,
                self._faces, self._face_drawable, self._corner_uv, self._view, self._view_normals, self._colors,
                self._light, self._table, self._surface, self._texels, self._textures, lamps, ambient,
                background, picture,
            )  # fmt: skip

        raster.in_parallel(tiles, 4)
        return picture

    def _assemble(self, camera: Camera) -> int:
        """Take over what changed in the drawables, project it, and list the triangles to draw; their number."""
        rotation = np.asarray(camera.camera_from_world[:, :3], np.float32)
        translation = np.asarray(camera.camera_from_world[:, 3], np.float32)
        cx, cy = camera.center_px or (camera.width / 2, camera.height / 2)
        for i, drawable in enumerate(self.drawables):
            self._write_row(i, drawable)
            if drawable.hidden:
                continue
            part = slice(self._start[i], self._start[i + 1])
            self._positions[part] = drawable.positions
            raster.project_vertices(
                self._positions[part], rotation, translation, np.float32(camera.focal_px), np.float32(cx),
                np.float32(cy), np.float32(drawable.depth_bias), self._view[part], self._pixels[part],
            )  # fmt: skip
            if drawable.surface.model != "unlit":
                if drawable.normals is None:
                    self._normals[part] = vertex_normals(self._positions[part], drawable.faces)
                else:
                    self._normals[part] = drawable.normals
                raster.rotate_vectors(self._normals[part], rotation, self._view_normals[part])
            if drawable.colors is not None and self._changed(i, "colors", drawable.colors):
                rgb = np.asarray(drawable.colors[:, :3], np.float32)
                self._colors[part, :3] = srgb_to_linear(rgb) if self.linear else rgb
                self._colors[part, 3] = drawable.colors[:, 3] if drawable.colors.shape[1] == 4 else 1
            if drawable.light is not None and self._changed(i, "light", drawable.light):
                self._light[part] = drawable.light
        bias = np.array([d.depth_bias for d in self.drawables], np.float32)
        count, _ = raster.assemble(
            self._faces, self._face_drawable, self._table, bias, self._view, self._pixels,
            np.float32(camera.focal_px), np.float32(cx), np.float32(cy), camera.width, camera.height,
            self._corners, self._depths, self._source, self._cut,
        )  # fmt: skip
        return count

    def _changed(self, index: int, name: str, array: np.ndarray) -> bool:
        """Whether this is another array than in the last frame (arrays are not to be changed in place)."""
        if self._packed.get((index, name)) is array:
            return False
        self._packed[index, name] = array
        return True

    def _write_row(self, i: int, drawable: Drawable) -> None:
        surface = drawable.surface
        texture, relief = self._texture_rows[i]
        row = self._table[i]
        row[raster.I_SHADING] = MODELS[surface.model]
        row[raster.I_BLEND] = BLENDS[drawable.blend]
        row[raster.I_DEPTH_WRITE] = drawable.depth_write
        row[raster.I_DEPTH_TEST] = drawable.depth_test
        row[raster.I_CULL] = SKIP if drawable.hidden else drawable.cull
        row[raster.I_FLIP] = drawable.flip_back_normals
        row[raster.I_TEXTURE] = texture
        row[raster.I_NORMAL_MAP] = relief if surface.model != "unlit" else -1
        row[raster.I_HAS_COLOR] = drawable.colors is not None
        rgba = np.asarray((*drawable.color, 1.0)[:4], np.float32)
        if self.linear:
            rgba[:3] = srgb_to_linear(rgba[:3])
        values = self._surface[i]
        values[: raster.F_ALPHA + 1] = rgba
        values[raster.F_CUTOFF] = drawable.alpha_cutoff
        values[raster.F_SPECULAR] = surface.specular
        values[raster.F_ROUGHNESS] = surface.roughness
        values[raster.F_WRAP] = surface.wrap
        values[raster.F_SOFT] = surface.soft
        values[raster.F_RELIEF] = surface.relief
        values[raster.F_SCATTER] = surface.scatter


def draw(
    drawables: Sequence[Drawable],
    camera: Camera,
    background: tuple[float, float, float] | UInt8[np.ndarray, "h w 3"] = (255, 255, 255),
    lighting: Lighting = DEFAULT_LIGHTING,
    supersample: int = 2,
) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of the drawables, in their order; see Scene.draw."""
    return Scene(drawables).draw(camera, background, lighting, supersample)


def check_background(
    background: tuple[float, float, float] | np.ndarray, width: int, height: int
) -> UInt8[np.ndarray, "h w 3"]:
    """A background as a picture of this size. Raises ValueError when it is another."""
    if isinstance(background, tuple):
        return np.full((height, width, 3), background, np.uint8)
    if background.shape != (height, width, 3) or background.dtype != np.uint8:
        raise ValueError(
            f"background: expected ({height}, {width}, 3) uint8, got {background.shape} {background.dtype}"
        )
    return background


def vertex_normals(positions: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float32[np.ndarray, "v 3"]:
    """Unit normals, the area-weighted mean of the adjacent faces; 0 where a vertex has none."""
    normals = np.zeros((len(positions), 3), np.float32)
    raster.add_normals(np.asarray(positions, np.float32), np.asarray(faces, np.int32), normals)
    return normals


def _joined(arrays: list[np.ndarray], empty: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.ascontiguousarray(np.concatenate([np.zeros(empty, dtype), *arrays]), dtype)


def _corner_uvs(drawable: Drawable) -> Float32[np.ndarray, "f 3 2"]:
    if drawable.uvs is None:
        if drawable.texture is not None:
            raise ValueError("a drawable with a texture needs uvs")
        return np.zeros((len(drawable.faces), 3, 2), np.float32)
    uvs = np.asarray(drawable.uvs, np.float32)
    return uvs if uvs.ndim == 3 else uvs[drawable.faces]


def mip_chain(image: UInt8[np.ndarray, "..."]) -> list[UInt8[np.ndarray, "h w 4"]]:
    """The picture as RGBA at full, half, quarter ... size; colour is weighted by alpha, so that holes don't bleed."""
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    if image.shape[2] == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2RGBA)
    image = np.ascontiguousarray(image)
    levels = [image]
    clear = bool((image[..., 3] < 255).any())
    while min(image.shape[:2]) > 1 and len(levels) < 12:
        size = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
        if clear:
            weight = image[..., 3:].astype(np.float32) + 1e-3
            color = cv2.resize(image[..., :3] * weight, size, interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(weight[..., 0], size, interpolation=cv2.INTER_AREA)
            image = np.dstack([color / alpha[..., None], alpha])
            image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
        else:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        levels.append(image)
    return levels


def _pack_textures(drawables: list[Drawable]) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """All textures' mip levels in one array of 32-bit texels; (offset, width, height, levels left) of each level;
    and for each drawable the rows of its texture and normal map (-1: none)."""
    texels: list[np.ndarray] = [np.zeros(1, np.uint32)]
    table: list[tuple[int, int, int, int]] = []
    rows: dict[int, int] = {}
    offset = 1

    def row_of(image: np.ndarray | None) -> int:
        nonlocal offset
        if image is None:
            return -1
        if id(image) not in rows:
            rows[id(image)] = len(table)
            levels = mip_chain(image)
            for left, level in zip(range(len(levels), 0, -1), levels, strict=True):
                table.append((offset, level.shape[1], level.shape[0], left))
                texels.append(np.ascontiguousarray(level).view(np.uint32).ravel())
                offset += texels[-1].size
        return rows[id(image)]

    pairs = [(row_of(d.texture), row_of(d.normal_map)) for d in drawables]
    return np.concatenate(texels), np.array(table, np.int64).reshape(-1, 4), pairs


def lamp_tables(lighting: Lighting, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lamps and ambient light for the kernels, turned into the camera frame."""
    lamps = np.zeros((max(len(lighting.lamps), 1), raster.LAMP_COLUMNS), np.float32)
    for row, lamp in zip(lamps, lighting.lamps, strict=False):
        direction = rotation @ np.asarray(lamp.direction, np.float32)
        row[:3] = direction / np.linalg.norm(direction)
        row[3:6], row[6] = lamp.color, lamp.key
    ambient = np.zeros((raster.AMBIENT_ROWS, 3), np.float32)
    ambient[0] = rotation @ np.array([0, 1, 0], np.float32)
    ambient[1:] = lighting.sky, lighting.ground, lighting.toon_shadow, lighting.toon_dark
    return lamps, ambient
