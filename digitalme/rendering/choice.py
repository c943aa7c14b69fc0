"""Which renderer draws: the CPU rasteriser, or OpenGL on a GPU. $DIGITALME_RENDERER = cpu | gl overrules."""

from __future__ import annotations

import os
from collections.abc import Sequence

from digitalme.errors import InputError, MissingExtraError
from digitalme.rendering.scene import Drawable, Scene


def _wants_gl() -> tuple[bool, str]:
    """Whether OpenGL draws, and why, in words."""
    wish = os.environ.get("DIGITALME_RENDERER", "auto")
    if wish not in ("auto", "cpu", "gl"):
        raise InputError(f"DIGITALME_RENDERER is '{wish}', expected auto, cpu or gl")
    if wish == "cpu":
        return False, "CPU (numba), as DIGITALME_RENDERER asks"
    from digitalme.rendering import gl  # looks for a driver: only when it may be used

    name = gl.gl_name()
    if wish == "gl":
        if name is None:
            raise MissingExtraError("DIGITALME_RENDERER is gl, but there is no OpenGL here: see digitalme doctor")
        return True, f"OpenGL ({name}), as DIGITALME_RENDERER asks"
    if name is None:
        return False, "CPU (numba); no OpenGL found, none needed"
    if any(word in name.lower() for word in gl.SOFTWARE):
        # measured by tools/bench/render.py: Mesa's software drivers are slower than our rasteriser
        return False, f"CPU (numba); OpenGL is there, but in software ({name}), which is slower"
    return True, f"OpenGL ({name})"


def renderer_in_use() -> str:
    """The renderer that make_scene picks, and why, in words."""
    return _wants_gl()[1]


def make_scene(drawables: Sequence[Drawable]):
    """A Scene (CPU) or a GlScene of these drawables; both draw the same picture within a few levels."""
    if _wants_gl()[0]:
        from digitalme.rendering.gl import GlScene

        return GlScene(drawables)
    return Scene(drawables)
