"""Run by a Python that has bpy and bpy-vrm-format: import a VRM, let the add-on judge it, print one JSON line.

python blender_vrm.py FILE
"""

import json
import os
import sys

import bpy

bpy.ops.preferences.addon_enable(module="io_scene_vrm")
from io_scene_vrm.editor import validation  # noqa: E402  (the add-on must be enabled first)


class Messages(list):
    """The add-on's validator fills a collection property: its add() appends an object with free attributes."""

    def add(self):
        self.append(type("Message", (), {})())
        return self[-1]


bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.preferences.addon_enable(module="io_scene_vrm")
result = bpy.ops.import_scene.vrm(filepath=sys.argv[1])
armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
messages = Messages()
validation.WM_OT_vrm_validator.detect_errors(bpy.context, messages, armature.name)
vrm = armature.data.vrm_addon_extension.vrm1
found = {
    "imported": sorted(result),
    "messages": [getattr(m, "message", str(vars(m))) for m in messages],
    "bones": [
        name.value
        for name, bone in vrm.humanoid.human_bones.human_bone_name_to_human_bone().items()
        if bone.node.bone_name
    ],
    "name": vrm.meta.vrm_name,
    "custom": [expression.custom_name for expression in vrm.expressions.custom],
}
print("ANSWER " + json.dumps(found))
sys.stdout.flush()
os._exit(0)  # Blender as a module may hang in its own clean-up
