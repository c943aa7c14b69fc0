"""Wavefront OBJ + MTL + textures: the avatar's shape and colours, without skeleton or morphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from digitalme.artifacts import Avatar
from digitalme.exporters.glb import encode_picture
from digitalme.exporters.options import DEFAULT, ExportConfig
from digitalme.exporters.pose import stand
from digitalme.exporters.profiles import mesh_name


def write_obj(avatar: Avatar, path: Path, config: ExportConfig = DEFAULT) -> list[Path]:
    """Write PATH and, beside it, its .mtl and textures; returns all files. UVs run upwards, as OBJ has them."""
    ready = stand(avatar, config.pose)
    materials_path = path.with_suffix(".mtl")
    lines = ["# made by digitalme; metres, Y up", f"mtllib {materials_path.name}"]
    first = 1
    for mesh in ready.meshes:
        lines.append(f"o {mesh_name(mesh.name)}\nusemtl {_identifier(mesh.material.name)}")
        lines += _rows("v", mesh.positions) + _rows("vt", mesh.uvs * [1, -1] + [0, 1]) + _rows("vn", mesh.normals)
        lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in (mesh.faces + first).tolist()]
        first += len(mesh.positions)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")

    files, texture_files = [path, materials_path], {}
    for key, picture in ready.textures.items():
        alpha = picture.ndim == 3 and picture.shape[2] == 4
        file = path.with_name(f"{path.stem}_{key}.{'png' if alpha else 'jpg'}")
        file.write_bytes(encode_picture(picture, "png" if alpha else "jpeg", config.texture_size))
        texture_files[key] = file.name
        files.append(file)
    blocks = []
    for material in dict.fromkeys(mesh.material for mesh in ready.meshes):
        red, green, blue, opacity = material.base_color
        block = [f"newmtl {_identifier(material.name)}", f"Kd {red:.4f} {green:.4f} {blue:.4f}", f"d {opacity:.4f}"]
        block += [f"Ns {2 / max(material.roughness, 0.1) ** 4 - 2:.1f}", "illum 2"]
        if material.texture is not None:
            block.append(f"map_Kd {texture_files[material.texture]}")
            if material.alpha_mode != "OPAQUE":
                block.append(f"map_d {texture_files[material.texture]}")
        if material.normal_texture is not None:
            block.append(f"norm {texture_files[material.normal_texture]}")
        blocks.append("\n".join(block))
    materials_path.write_text("\n\n".join(blocks) + "\n", encoding="ascii")
    return files


def _identifier(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name) or "material"


def _rows(word: str, values: np.ndarray) -> list[str]:
    return [f"{word} " + " ".join(f"{x:.6f}" for x in row) for row in np.asarray(values, float).tolist()]
