"""The OpenGL twin of scene.py: `GlScene` takes the same drawables and makes the same picture, within a few levels.

It is for machines with a GPU (moderngl, EGL, no window). Two contexts in one process draw garbage with some drivers, so
there is one, and it belongs to the thread that made it. The shader repeats raster.py's surfaces line by line.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Camera
from digitalme.errors import MissingExtraError
from digitalme.rendering.raster import NEAR
from digitalme.rendering.scene import (
    BLENDS,
    DEFAULT_LIGHTING,
    MODELS,
    Drawable,
    Lighting,
    check_background,
    lamp_tables,
    mip_chain,
    vertex_normals,
)
from digitalme.spaces import srgb_to_linear

FAR = 50.0
LAMPS = 8
SAMPLE_ALPHA_TO_COVERAGE = 0x809E
SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "swrast")

VERTEX = """#version 330
uniform mat3 rotation; uniform vec3 translation; uniform vec2 focal, center; uniform float bias, near, far;
in vec3 position; in vec3 normal; in vec2 uv; in vec4 color; in vec2 light;
out vec3 v_view; out vec3 v_normal; out vec2 v_uv; out vec4 v_color; out vec2 v_light;
void main() {
    vec3 view = rotation * position + translation;
    v_view = view; v_normal = rotation * normal; v_uv = uv; v_color = color; v_light = light;
    float z = max(view.z - bias, 1e-6);
    float depth = (far + near) / (far - near) - 2.0 * far * near / ((far - near) * z);
    gl_Position = vec4(focal * view.xy + center * view.z, depth * view.z, view.z);
    gl_Position.y = -gl_Position.y;
}"""

FRAGMENT = """#version 330
uniform sampler2D picture, relief_map;
uniform int model, blend, has_picture, has_relief, flip_back, linear_light, lamp_count, samples;
uniform vec4 tint; uniform float cutoff, specular, roughness, wrap, soft_part, relief, scatter;
uniform vec3 lamp_direction[8]; uniform vec3 lamp_color[8]; uniform float lamp_key[8]; uniform vec3 ambient[5];
in vec3 v_view; in vec3 v_normal; in vec2 v_uv; in vec4 v_color; in vec2 v_light;
out vec4 result;
vec3 to_linear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
float ramp(float a, float b, float x) { float t = clamp((x - a) / (b - a), 0.0, 1.0); return t * t * (3.0 - 2.0 * t); }

vec3 lit(vec3 n, vec3 t, vec3 v, vec3 albedo, float occlusion, float visible) {
    float up = dot(n, ambient[0]) * 0.5 + 0.5;
    vec3 d = mix(ambient[2], ambient[1], up) * occlusion, s = vec3(0.0);
    float alpha = pow(max(roughness * roughness, 0.02), 2.0);
    for (int i = 0; i < lamp_count; i++) {
        vec3 l = lamp_direction[i], lamp = lamp_color[i];
        float toward = dot(n, l), shade = lamp_key[i] > 0.5 ? visible : occlusion;
        float w = (toward + wrap) / (1.0 + wrap), diffuse = w * w * shade;
        if (w <= 0.0) continue;
        float glow = scatter * ramp(0.0, 0.35, w) * (0.4 + 0.6 * shade) * (1.0 - ramp(0.35, 0.8, w));
        d += lamp * (diffuse + glow * vec3(1.0, 0.22, 0.12));
        vec3 h = (l + v) * inversesqrt(max(dot(l + v, l + v), 1e-8));
        if (model == 2) {
            float th = dot(t, h), first = th + 0.10, second = th - 0.16;
            float a = pow(max(1.0 - first * first, 0.0), 32.0), b = pow(max(1.0 - second * second, 0.0), 8.0);
            s += lamp * specular * shade * max(toward * 0.8 + 0.2, 0.0) * (a * 0.16 + b * albedo);
        } else if (specular > 0.0 && toward > 0.0) {
            float nh = max(dot(n, h), 0.0), vh = max(dot(v, h), 0.0), spread = nh * nh * (alpha - 1.0) + 1.0;
            float fresnel = 0.04 + 0.96 * pow(1.0 - vh, 5.0);
            float lobe = alpha / (spread * spread * max(vh * vh, 0.1) * (roughness * 4.0 + 2.0));
            float amount = specular * fresnel * lobe * toward * shade;
            if (model == 3) amount += specular * 2.4 * ramp(0.980, 0.990, nh) * shade;
            s += lamp * amount;
        }
    }
    float grazing = 1.0 - max(dot(n, v), 0.0), rim = grazing * grazing;
    rim = model == 2 ? 0.0 : rim * rim * 0.10 * occlusion * min(specular * 4.0, 1.0);
    float keep = soft_part * (0.40 + 0.50 * occlusion + 0.12 * visible), part = 1.0 - soft_part;
    vec3 c = albedo * (d * part + keep) + (s + rim * ambient[1]) * part;
    return c * 1.1 / (1.0 + 0.1 * c);
}

vec3 toon(vec3 n, vec3 v, vec3 albedo) {
    float half_light = dot(n, lamp_direction[0]) * 0.5 + 0.5;
    float bright = ramp(0.44, 0.50, half_light), middle = ramp(0.18, 0.23, half_light);
    float rim = ramp(0.68, 0.74, 1.0 - max(dot(n, v), 0.0));
    float shine = specular * ramp(0.93, 0.95, dot(n, normalize(lamp_direction[0] + v)));
    vec3 shadow = mix(ambient[4], ambient[3], middle);
    return albedo * (mix(shadow, vec3(1.0), bright) + rim * 0.10 * bright) + shine;
}

void main() {
    vec4 c = tint * v_color;
    if (has_picture == 1) {
        vec4 texel = texture(picture, v_uv, -0.25);
        c *= linear_light == 1 ? vec4(to_linear(texel.rgb), texel.a) : texel;
    }
    if (blend == 1) {
        c.a = (c.a - cutoff) * 2.0 + 0.5;  // alpha to coverage makes the edge
        if (c.a <= 0.5 / float(samples)) discard;
    } else if (blend == 0) c.a = 1.0;
    vec3 dx = dFdx(v_view), dy = dFdy(v_view); vec2 ux = dFdx(v_uv), uy = dFdy(v_uv);
    if (model != 0) {
        vec3 n = normalize(v_normal) * (!gl_FrontFacing && flip_back == 1 ? -1.0 : 1.0);
        vec3 v = normalize(-v_view), t = vec3(0.0);
        if (has_relief == 1 || model == 2) {
            float turn = ux.x * uy.y - uy.x * ux.y >= 0.0 ? 1.0 : -1.0;
            vec3 tangent = (dx * uy.y - dy * ux.y) * turn, bitangent = (dy * ux.x - dx * uy.x) * turn;
            tangent = normalize(tangent - dot(tangent, n) * n);
            t = normalize(bitangent - dot(bitangent, n) * n);
            if (has_relief == 1) {
                vec3 m = texture(relief_map, v_uv, -0.25).xyz * 2.0 - 1.0;
                n = normalize(tangent * m.x * relief - t * m.y * relief + n * max(m.z, 0.05));
            }
        }
        c.rgb = model == 4 ? toon(n, v, c.rgb) : lit(n, t, v, c.rgb, v_light.x, v_light.y);
    }
    result = c;
}"""

COVER = """#version 330
in vec2 corner; out vec2 at; void main() { at = corner * 0.5 + 0.5; gl_Position = vec4(corner, 0.0, 1.0); }"""
BACKGROUND = """#version 330
uniform sampler2D picture; uniform int linear_light; in vec2 at; out vec4 result;
vec3 to_linear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
void main() {
    vec3 c = texture(picture, vec2(at.x, 1.0 - at.y)).rgb;
    result = vec4(linear_light == 1 ? to_linear(c) : c, 1.0);
}"""
ENCODE = """#version 330
uniform sampler2D picture; in vec2 at; out vec4 result;
vec3 to_srgb(vec3 c) { return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)); }
void main() { result = vec4(to_srgb(clamp(texture(picture, at).rgb, 0.0, 1.0)), 1.0); }"""


@lru_cache(maxsize=1)
def _context():
    """The process's context and the thread that may use it. Raises MissingExtraError where there is none to be had."""
    try:
        import moderngl
    except ImportError:
        raise MissingExtraError("the OpenGL renderer needs moderngl: pip install moderngl") from None
    try:
        context = moderngl.create_context(standalone=True, backend="egl")
    except Exception as error:  # noqa: BLE001  (moderngl raises plain Exception, ValueError or OSError)
        raise MissingExtraError(
            f"the OpenGL renderer needs EGL (Debian: apt-get install libegl1 libgl1): {error}"
        ) from None
    return context, threading.get_ident()


def gl_name() -> str | None:
    """The OpenGL renderer's name when it can be used from this thread, else None."""
    try:
        context, thread = _context()
    except MissingExtraError:
        return None
    return context.info["GL_RENDERER"] if thread == threading.get_ident() else None


@lru_cache(maxsize=1)
def _programs():
    context, _ = _context()
    return (
        context.program(VERTEX, FRAGMENT),
        context.program(COVER, BACKGROUND),
        context.program(COVER, ENCODE),
        context.buffer(np.array([-1, -1, 3, -1, -1, 3], np.float32).tobytes()),
    )


class GlScene:
    """Drawables prepared for drawing many frames by OpenGL; as scene.Scene."""

    def __init__(self, drawables: Sequence[Drawable]):
        context, thread = _context()
        if thread != threading.get_ident():
            raise RuntimeError("OpenGL belongs to the thread that used it first; use scene.Scene here")
        self._context = context
        self.drawables = list(drawables)
        self.linear = any(d.surface.model in ("lit", "hair", "eye") for d in self.drawables)
        self._program, self._background_program, self._encode_program, self._cover = _programs()
        self._textures: dict[int, object] = {}
        self._sources: list[np.ndarray] = []
        self._parts = [self._prepare(drawable) for drawable in self.drawables]
        self._target: tuple | None = None

    def draw(
        self,
        camera: Camera,
        background: tuple[float, float, float] | UInt8[np.ndarray, "h w 3"] = (255, 255, 255),
        lighting: Lighting = DEFAULT_LIGHTING,
        supersample: int = 2,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """The picture that the camera takes; as Scene.draw."""
        context, program = self._context, self._program
        width, height, samples = camera.width, camera.height, supersample * supersample
        background = check_background(background, width, height)
        target, plain, encoded = self._targets(width, height, samples)
        target.use()
        target.clear(depth=1.0)
        context.disable(context.DEPTH_TEST | context.CULL_FACE | context.BLEND)
        picture = context.texture((width, height), 3, np.ascontiguousarray(background).tobytes(), alignment=1)
        picture.filter = (context.NEAREST, context.NEAREST)
        picture.use(0)
        _set(self._background_program, picture=0, linear_light=int(self.linear))
        context.simple_vertex_array(self._background_program, self._cover, "corner").render(vertices=3)
        picture.release()

        rotation = np.asarray(camera.camera_from_world[:, :3], np.float32)
        cx, cy = camera.center_px or (width / 2, height / 2)
        lamps, ambient = lamp_tables(lighting, rotation)
        padded = np.zeros((LAMPS, lamps.shape[1]), np.float32)
        padded[: len(lamps)] = lamps
        program["rotation"].write(np.ascontiguousarray(rotation.T).tobytes())
        _set(
            program, translation=tuple(map(float, camera.camera_from_world[:, 3])), near=NEAR, far=FAR, picture=0,
            relief_map=1, linear_light=int(self.linear), lamp_count=len(lamps), samples=samples,
            focal=(2 * camera.focal_px / width, 2 * camera.focal_px / height),
            center=(2 * cx / width - 1, 2 * cy / height - 1),
        )  # fmt: skip
        for name, value in (
            ("lamp_direction", padded[:, :3]),
            ("lamp_color", padded[:, 3:6]),
            ("lamp_key", padded[:, 6]),
            ("ambient", ambient),
        ):
            program[name].write(np.ascontiguousarray(value).tobytes())
        context.depth_func = "<="
        for drawable, part in zip(self.drawables, self._parts, strict=True):
            if not drawable.hidden and len(drawable.faces):
                self._draw_part(drawable, part)
        context.disable_direct(SAMPLE_ALPHA_TO_COVERAGE)
        context.disable(context.DEPTH_TEST | context.CULL_FACE | context.BLEND)
        target.depth_mask = True
        if target is not plain:
            context.copy_framebuffer(plain, target)
        if self.linear:
            encoded.use()
            plain.color_attachments[0].use(0)
            _set(self._encode_program, picture=0)
            context.simple_vertex_array(self._encode_program, self._cover, "corner").render(vertices=3)
            plain = encoded
        data = np.frombuffer(plain.read(components=3, alignment=1), np.uint8)
        return np.ascontiguousarray(data.reshape(height, width, 3)[::-1])

    def _draw_part(self, drawable: Drawable, part: dict) -> None:
        context, program, surface = self._context, self._program, drawable.surface
        corner = part["corner"]
        positions = np.asarray(drawable.positions, np.float32)
        part["position"].write(np.ascontiguousarray(positions[corner]).tobytes())
        if surface.model != "unlit":
            normals = drawable.normals if drawable.normals is not None else vertex_normals(positions, drawable.faces)
            part["normal"].write(np.ascontiguousarray(np.asarray(normals, np.float32)[corner]).tobytes())
        if part["colors"] is not drawable.colors:
            part["colors"] = drawable.colors
            rgba = np.ones((len(positions), 4), np.float32)
            if drawable.colors is not None:
                rgba[:, : drawable.colors.shape[1]] = drawable.colors
            if self.linear:
                rgba[:, :3] = srgb_to_linear(rgba[:, :3])
            part["color"].write(np.ascontiguousarray(rgba[corner]).tobytes())
        if part["light_seen"] is not drawable.light:
            part["light_seen"] = drawable.light
            part["light"].write(np.ascontiguousarray(np.asarray(drawable.light, np.float32)[corner]).tobytes())
        rgba = np.asarray((*drawable.color, 1.0)[:4], np.float32)
        if self.linear:
            rgba[:3] = srgb_to_linear(rgba[:3])
        has_relief = part["relief"] is not None and surface.model != "unlit"
        _set(
            program, model=MODELS[surface.model], blend=BLENDS[drawable.blend], tint=tuple(map(float, rgba)),
            has_picture=int(part["picture"] is not None), has_relief=int(has_relief), cutoff=drawable.alpha_cutoff,
            flip_back=int(drawable.flip_back_normals), specular=surface.specular, roughness=surface.roughness,
            wrap=surface.wrap, soft_part=surface.soft, relief=surface.relief, scatter=surface.scatter,
            bias=drawable.depth_bias,
        )  # fmt: skip
        for unit, texture in enumerate((part["picture"], part["relief"])):
            if texture is not None:
                texture.use(unit)
        (context.enable if drawable.cull else context.disable)(context.CULL_FACE)
        (context.enable if drawable.blend == "blend" else context.disable)(context.BLEND)
        context.blend_func = context.SRC_ALPHA, context.ONE_MINUS_SRC_ALPHA
        direct = context.enable_direct if drawable.blend == "mask" else context.disable_direct
        direct(SAMPLE_ALPHA_TO_COVERAGE)
        context.enable(context.DEPTH_TEST)
        context.depth_func = "<=" if drawable.depth_test else "1"
        context.fbo.depth_mask = drawable.depth_write
        part["array"].render()

    def _prepare(self, drawable: Drawable) -> dict:
        context = self._context
        faces = np.asarray(drawable.faces, np.int32)
        uvs = (
            np.zeros((len(drawable.positions), 2), np.float32)
            if drawable.uvs is None
            else np.asarray(drawable.uvs, np.float32)
        )
        if uvs.ndim == 3:  # a vertex for each corner
            corner, index, uvs = faces.ravel(), None, uvs.reshape(-1, 2)
        else:
            corner, index = (
                np.arange(len(drawable.positions)),
                context.buffer(np.ascontiguousarray(faces).tobytes()) if len(faces) else None,
            )
        count = max(len(corner), 1)
        buffers = {"position": context.buffer(reserve=count * 12), "normal": context.buffer(reserve=count * 12)}
        buffers["uv"] = context.buffer(np.ascontiguousarray(uvs).tobytes() or b"\0" * 8)
        buffers["color"] = context.buffer(np.ones((count, 4), np.float32).tobytes())
        buffers["light"] = context.buffer(np.ones((count, 2), np.float32).tobytes())
        content = [
            (buffers[name], f"{size}f", name)
            for name, size in (("position", 3), ("normal", 3), ("uv", 2), ("color", 4), ("light", 2))
        ]
        array = context.vertex_array(self._program, content, index, skip_errors=True) if len(faces) else None
        extra = {"corner": corner, "colors": None, "light_seen": None, "array": array}
        return {
            **buffers,
            **extra,
            "picture": self._texture(drawable.texture),
            "relief": self._texture(drawable.normal_map),
        }

    def _texture(self, image: np.ndarray | None):
        if image is None:
            return None
        if id(image) not in self._textures:
            self._sources.append(image)  # keeps the id from being given away
            levels = mip_chain(image)
            texture = self._context.texture(levels[0].shape[1::-1], 4, levels[0].tobytes())
            texture.build_mipmaps(max_level=len(levels) - 1)
            for number, level in enumerate(levels):
                texture.write(np.ascontiguousarray(level).tobytes(), level=number)
            texture.filter = (self._context.LINEAR_MIPMAP_LINEAR, self._context.LINEAR)
            texture.repeat_x = texture.repeat_y = False
            self._textures[id(image)] = texture
        return self._textures[id(image)]

    def _targets(self, width: int, height: int, samples: int):
        """Framebuffers of this size: the one drawn to, the one with single samples, the one in sRGB."""
        key = (width, height, samples)
        if self._target is None or self._target[0] != key:
            context = self._context
            kind = "f2" if self.linear else "f1"
            plain = context.framebuffer(
                [context.texture((width, height), 4, dtype=kind)], context.depth_renderbuffer((width, height))
            )
            target = plain
            if samples > 1:
                target = context.framebuffer(
                    [context.renderbuffer((width, height), 4, samples=samples, dtype=kind)],
                    context.depth_renderbuffer((width, height), samples=samples),
                )
            encoded = context.framebuffer([context.renderbuffer((width, height), 4)])
            self._target = (key, (target, plain, encoded))
        return self._target[1]


def _set(program, **values) -> None:
    for name, value in values.items():
        if name in program:  # the compiler drops what it finds unused
            program[name] = value
