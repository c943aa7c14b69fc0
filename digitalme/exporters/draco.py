"""KHR_draco_mesh_compression: shapes packed by Google's Draco. Morph targets stay as they are: it has none for them.

Needs the extra `draco` (DracoPy). Vertices keep their order, so that morphs still fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from digitalme.errors import InputError, MissingExtraError

NAME = "KHR_draco_mesh_compression"
_POSITION_BITS, _NORMAL_BITS, _UV_BITS = 17, 12, 14  # 15 um of two metres; 0.03 degrees; a quarter of a pixel of 4096
_FLOAT = 5126


def compress(document: dict, data: bytes) -> tuple[dict, bytes]:
    """The same glTF with each primitive's vertices and triangles as one Draco buffer. Raises MissingExtraError."""
    from digitalme.exporters.glb import read_accessor  # it imports this module

    codec = _codec()
    accessors = [dict(accessor) for accessor in document["accessors"]]
    views: list[dict] = [dict(view) for view in document["bufferViews"]]
    packed: dict[int, bytes] = {}
    meshes = []
    for mesh in document["meshes"]:
        primitive: dict = dict(mesh["primitives"][0])
        values = {name: read_accessor(document, data, index) for name, index in primitive["attributes"].items()}
        faces = read_accessor(document, data, primitive["indices"]).reshape(-1, 3)
        generic = {0: _raw(document, data, primitive["attributes"]["JOINTS_0"])}
        generic[1] = _raw(document, data, primitive["attributes"]["WEIGHTS_0"])
        if "TANGENT" in values:
            generic[2] = values["TANGENT"]
        buffer = codec.encode(
            values["POSITION"],
            faces.astype(np.uint32),
            quantization_bits=_POSITION_BITS,
            compression_level=7,
            preserve_order=True,
            tex_coord=values["TEXCOORD_0"].astype(np.float64),
            normals=values["NORMAL"].astype(np.float64),
            generic_attributes=generic,
            tex_coord_quantization_bits=_UV_BITS,
            normal_quantization_bits=_NORMAL_BITS,
        )
        decoded = codec.decode(buffer)
        ids = {name: number for name, number in zip(("JOINTS_0", "WEIGHTS_0", "TANGENT"), generic, strict=False)}
        kinds = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 3}  # Draco's attribute types
        for name, kind in kinds.items():
            ids[name] = decoded.get_attribute_by_type(kind)["unique_id"]
        place = accessors[primitive["attributes"]["POSITION"]]
        place["min"], place["max"] = ([float(x) for x in side] for side in _bounds(decoded.points))
        for index in (*primitive["attributes"].values(), primitive["indices"]):
            packed[accessors[index].pop("bufferView")] = b""
        views.append({"buffer": 0, "byteLength": len(buffer)})
        packed[len(views) - 1] = buffer
        primitive["extensions"] = {NAME: {"bufferView": len(views) - 1, "attributes": ids}}
        meshes.append(mesh | {"primitives": [primitive]})
    smaller = document | {"meshes": meshes, "accessors": accessors}
    for list_of in ("extensionsUsed", "extensionsRequired"):
        smaller[list_of] = sorted({*document.get(list_of, []), NAME})
    return _repacked(smaller, data, views, packed)


def expand(document: dict, data: bytes) -> tuple[dict, bytes]:
    """What `compress` made as an ordinary glTF again."""
    codec = _codec()
    out = bytearray(data)
    accessors = [dict(accessor) for accessor in document["accessors"]]
    views = list(document["bufferViews"])

    def put(index: int, values: np.ndarray) -> None:
        out.extend(b"\0" * (-len(out) % 4))
        views.append({"buffer": 0, "byteOffset": len(out), "byteLength": values.nbytes})
        out.extend(np.ascontiguousarray(values).tobytes())
        accessors[index]["bufferView"] = len(views) - 1

    dtypes: dict[int, Any] = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, _FLOAT: np.float32}
    for mesh in document["meshes"]:
        primitive = mesh["primitives"][0]
        extension = primitive["extensions"][NAME]
        view = document["bufferViews"][extension["bufferView"]]
        start = view.get("byteOffset", 0)
        try:
            decoded = codec.decode(bytes(data[start : start + view["byteLength"]]))
        except (codec.FileTypeException, RuntimeError) as error:
            raise InputError(f"a compressed mesh is damaged ({error}); export the file again") from None
        for name, index in primitive["attributes"].items():
            values = decoded.get_attribute_by_unique_id(extension["attributes"][name])["data"]
            put(index, values.astype(dtypes[accessors[index]["componentType"]]))
        put(
            primitive["indices"],
            decoded.faces.reshape(-1).astype(dtypes[accessors[primitive["indices"]]["componentType"]]),
        )
    return document | {"accessors": accessors, "bufferViews": views}, bytes(out)


def _raw(document: dict, data: bytes, index: int) -> np.ndarray:
    """Integers of an accessor as they are stored, normalised or not."""
    from digitalme.exporters.glb import read_accessor

    accessor = {key: value for key, value in document["accessors"][index].items() if key != "normalized"}
    return read_accessor({**document, "accessors": [accessor]}, data, 0)


def _bounds(points: np.ndarray) -> Iterable[np.ndarray]:
    points = points.astype(np.float32)
    return points.min(0), points.max(0)


def _repacked(document: dict, data: bytes, views: list[dict], packed: dict[int, bytes]) -> tuple[dict, bytes]:
    """The document with the views that `packed` names replaced; those replaced by nothing are dropped."""
    out = bytearray()
    kept: list[dict] = []
    renumber: dict[int, int] = {}
    for number, view in enumerate(views):
        start = view.get("byteOffset", 0)
        raw = packed.get(number, data[start : start + view["byteLength"]])
        if not raw:
            continue
        out += b"\0" * (-len(out) % 4)
        renumber[number] = len(kept)
        kept.append(view | {"byteOffset": len(out), "byteLength": len(raw)})
        out += raw

    def moved(thing: dict) -> dict:
        return thing | {"bufferView": renumber[thing["bufferView"]]} if "bufferView" in thing else thing

    accessors = []
    for accessor in document["accessors"]:
        accessor = moved(accessor)
        if sparse := accessor.get("sparse"):
            accessor["sparse"] = sparse | {part: moved(sparse[part]) for part in ("indices", "values")}
        accessors.append(accessor)
    for mesh in document["meshes"]:
        extension = mesh["primitives"][0]["extensions"]
        extension[NAME] = moved(extension[NAME])
    out_document = document | {"accessors": accessors, "bufferViews": kept}
    if "images" in document:
        out_document["images"] = [moved(image) for image in document["images"]]
    return out_document, bytes(out)


def _codec() -> Any:
    try:
        import DracoPy
    except ImportError:
        raise MissingExtraError(
            'Draco compression needs DracoPy; get it with: pip install "digitalme[draco]", or use --compress meshopt'
        ) from None
    return DracoPy
