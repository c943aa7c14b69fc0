"""Run by a Python that has bpy: import a file, pose and morph it, and write down where Blender puts the vertices.

    python blender_check.py FILE REQUEST.json ANSWER.npz

The request's "joints" are world matrices by bone (glTF axes, the move from the bind pose), "weights" morph values.
"""

import json
import os
import sys

import bpy
import numpy as np
from mathutils import Matrix

Z_UP = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))


def main() -> None:
    path, request_file, answer_file = sys.argv[1:]
    with open(request_file) as file:
        request = json.load(file)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.endswith(".fbx"):
        bpy.ops.import_scene.fbx(filepath=path)
    elif path.endswith((".usdz", ".usdc")):
        bpy.ops.wm.usd_import(filepath=path)
    else:
        bpy.ops.import_scene.gltf(filepath=path)
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    # frame 0 of whatever was imported must not move it
    for thing in [armature, *[m.shape_keys for m in bpy.data.meshes if m.shape_keys]]:
        if thing.animation_data:
            thing.animation_data_clear()
    for bone in armature.pose.bones:
        bone.matrix_basis.identity()
    bpy.context.view_layer.update()
    rest = {bone.name: armature.matrix_world @ bone.bone.matrix_local for bone in armature.pose.bones}
    for bone in armature.pose.bones:  # parents come first
        if (move := request["joints"].get(bone.name)) is not None:
            world = Z_UP @ Matrix(move) @ Z_UP.inverted() @ rest[bone.name]
            bone.matrix = armature.matrix_world.inverted() @ world
            bpy.context.view_layer.update()
    out, names = {}, {}
    for thing in [o for o in bpy.data.objects if o.type == "MESH" and o.vertex_groups]:
        keys = thing.data.shape_keys.key_blocks if thing.data.shape_keys else []
        names[thing.name] = [key.name for key in keys][1:]
        for key in list(keys)[1:]:
            key.slider_min = -1
            key.value = request["weights"].get(key.name, 0.0)
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    for thing in [o for o in bpy.data.objects if o.type == "MESH" and o.vertex_groups]:
        mesh = thing.evaluated_get(graph).to_mesh()
        points = np.empty(len(mesh.vertices) * 3)
        mesh.vertices.foreach_get("co", points)
        matrix = np.array(Z_UP.inverted() @ thing.matrix_world)
        out[thing.name] = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    actions = {action.name: tuple(action.frame_range) for action in bpy.data.actions}
    about = {"morphs": names, "bones": [bone.name for bone in armature.data.bones], "actions": actions}
    np.savez(answer_file, about=np.array(json.dumps(about)), **out)
    sys.stdout.flush()
    os._exit(0)  # Blender as a module may hang in its own clean-up


main()
