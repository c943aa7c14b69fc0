"""FBX through Blender as a module, which runs as a process of its own: bpy is GPL, and nothing here imports it.

Needs the extra `fbx` (bpy), in this Python or in the one that $DIGITALME_BPY_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from digitalme.artifacts import Avatar, Performance
from digitalme.errors import DigitalMeError, MissingExtraError
from digitalme.exporters.glb import write_glb
from digitalme.exporters.options import DEFAULT, ExportConfig

_TIMEOUT = 300

_SCRIPT = """
import os, sys
try:
    import bpy
except ImportError:
    sys.exit(3)
source, target = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=source, bone_heuristic="BLENDER")
for thing in [o for o in bpy.data.objects if o.type == "MESH" and not o.vertex_groups]:
    bpy.data.objects.remove(thing)  # the importer's icospheres for bones
bpy.ops.export_scene.fbx(
    filepath=target, object_types={"ARMATURE", "MESH"}, add_leaf_bones=False, bake_anim=True,
    bake_anim_use_nla_strips=False, bake_anim_use_all_actions=True, bake_anim_simplify_factor=0.0,
    path_mode="COPY", embed_textures=True, apply_scale_options="FBX_SCALE_ALL", axis_forward="-Z", axis_up="Y",
    primary_bone_axis="Y", secondary_bone_axis="X", mesh_smooth_type="OFF", use_tspace=False,
)
sys.stdout.flush()
os._exit(0)  # Blender as a module may hang in its own clean-up
"""


def write_fbx(
    avatar: Avatar, performance: Performance | None, path: Path, config: ExportConfig = DEFAULT
) -> None:  # fmt: skip
    """Write a binary FBX 7.4 with embedded textures: +Y up, metres, bones along +Y, as Unity and Unreal import it.

    Raises MissingExtraError without bpy, DigitalMeError where Blender fails.
    """
    python = os.environ.get("DIGITALME_BPY_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch) / "avatar.glb", Path(scratch) / "avatar.fbx"
        # Blender reads no WebP from glTF reliably, and FBX readers none at all
        image_format = "jpeg" if config.image_format == "webp" else config.image_format
        write_glb(avatar, performance, source, replace(config, image_format=image_format))
        try:
            done = subprocess.run(
                [python, "-c", _SCRIPT, str(source), str(made)], capture_output=True, text=True, timeout=_TIMEOUT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DigitalMeError(
                f"FBX: Blender as a module did not finish ({error}); try again, or export glb"
            ) from None
        if done.returncode == 3:
            raise MissingExtraError('FBX files need Blender as a module; get it with: pip install "digitalme[fbx]"')
        if not made.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise DigitalMeError(f"FBX: Blender as a module failed ({last}); export glb instead")
        path.write_bytes(made.read_bytes())
