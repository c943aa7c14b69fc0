"""EXT_meshopt_compression: a glTF's numbers packed to about a third, which three.js, Babylon.js and Unity unpack.

The byte codecs are written after the extension's specification (Khronos, EXT_meshopt_compression, appendix A: modes
ATTRIBUTES and INDICES, filter EXPONENTIAL). They are lossless; what makes them small is that numbers are first rounded
to steps far below what can be seen (`_STEPS`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float32, UInt8, UInt32

from digitalme.errors import InputError

NAME = "EXT_meshopt_compression"
_GROUP, _MOST_IN_BLOCK, _TAIL = 16, 256, 32
_STEPS = {
    "POSITION": 2.0**-16,  # metres: 15 um
    "morph": 2.0**-17,
    "NORMAL": 2.0**-10,
    "morph normal": 2.0**-8,
    "TANGENT": 2.0**-8,
    "TEXCOORD_0": 2.0**-14,  # a quarter of a pixel of a 4096 texture
    "rotation": 2.0**-15,
    "weights": 2.0**-10,
}
"""What a number is, to the step that it is rounded to. Numbers that are not named here are kept as they are."""
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}


def compress(document: dict, data: bytes) -> tuple[dict, bytes]:
    """The same glTF with every view of numbers compressed; pictures stay as they are."""
    kinds = dict(_kinds(document, data))
    out = bytearray()
    views: list[dict] = []
    unpacked = 0
    for number, view in enumerate(document["bufferViews"]):
        start = view.get("byteOffset", 0)
        raw = data[start : start + view["byteLength"]]
        out += b"\0" * (-len(out) % 4)
        place: dict[str, Any] = {"buffer": 0, "byteOffset": len(out)}
        if number not in kinds:
            out += raw
            views.append(view | place)
            continue
        size, what = kinds[number]
        count = len(raw) // size
        extension = place | {"byteStride": size, "count": count}
        table = np.frombuffer(raw, np.uint8).reshape(count, size)
        if what == "indices":
            packed = encode_indices(table.view({2: "<u2", 4: "<u4"}[size]).reshape(-1).astype(np.uint32))
            extension["mode"] = "INDICES"
        else:
            extension["mode"] = "ATTRIBUTES"
            if what in _STEPS:
                numbers = to_steps(table.view("<f4").reshape(-1), _STEPS[what])
                table = numbers.view(np.uint8).reshape(count, size)
                extension["filter"] = "EXPONENTIAL"
            packed = encode_attributes(np.ascontiguousarray(table))
        extension["byteLength"] = len(packed)
        out += packed.tobytes()
        unpacked += -unpacked % 4
        whole = {"buffer": 1, "byteOffset": unpacked, "byteLength": len(raw)}
        views.append(view | whole | {"extensions": {NAME: extension}})
        unpacked += len(raw)
    fallback = {"byteLength": unpacked, "extensions": {NAME: {"fallback": True}}}
    smaller = document | {"bufferViews": views, "buffers": [{}, fallback]}
    smaller["accessors"] = [_rounded(a, kinds) for a in document["accessors"]]
    for list_of in ("extensionsUsed", "extensionsRequired"):
        smaller[list_of] = sorted({*document.get(list_of, []), NAME})
    return smaller, bytes(out)


def expand(document: dict, data: bytes) -> tuple[dict, bytes]:
    """What `compress` made as an ordinary glTF again. Raises InputError where a view is damaged."""
    out = bytearray()
    views = []
    for view in document["bufferViews"]:
        out += b"\0" * (-len(out) % 4)
        extension = view.get("extensions", {}).get(NAME)
        place = {"buffer": 0, "byteOffset": len(out)}
        if extension is None:
            start = view.get("byteOffset", 0)
            out += data[start : start + view["byteLength"]]
            views.append(view | place)
            continue
        start, count, size = extension.get("byteOffset", 0), extension["count"], extension["byteStride"]
        packed = np.frombuffer(data, np.uint8)[start : start + extension["byteLength"]]
        if extension["mode"] == "INDICES":
            raw = decode_indices(packed, count).astype({2: "<u2", 4: "<u4"}[size]).tobytes()
        elif extension["mode"] == "ATTRIBUTES":
            table = decode_attributes(packed, count, size)
            numbers = extension.get("filter") == "EXPONENTIAL"
            raw = (from_steps(table.view("<u4").reshape(-1)) if numbers else table).tobytes()
        else:
            raise InputError(f"a view is compressed as {extension['mode']}; expected a file that digitalme wrote")
        out += raw
        views.append({key: value for key, value in view.items() if key != "extensions"} | place)
    return document | {"bufferViews": views}, bytes(out)


def _kinds(document: dict, data: bytes) -> Iterator[tuple[int, tuple[int, str]]]:
    """View to (bytes of an element, what it holds), for all views of numbers."""
    of_accessor: dict[int, str] = {}
    for mesh in document.get("meshes", []):
        for primitive in mesh["primitives"]:
            of_accessor |= {accessor: name for name, accessor in primitive["attributes"].items()}
            of_accessor[primitive["indices"]] = "indices"
            for target in primitive.get("targets", []):
                of_accessor[target["POSITION"]] = "morph"
                if "NORMAL" in target:
                    of_accessor[target["NORMAL"]] = "morph normal"
    for animation in document.get("animations", []):
        for channel in animation["channels"]:
            of_accessor[animation["samplers"][channel["sampler"]]["output"]] = channel["target"]["path"]
    for number, accessor in enumerate(document["accessors"]):
        size = _WIDTH[accessor["type"]] * _BYTES[accessor["componentType"]]
        what = of_accessor.get(number, "")
        if accessor["componentType"] != 5126 and what != "indices":
            what = ""
        if "bufferView" in accessor and (what == "indices" or size % 4 == 0):
            yield accessor["bufferView"], (size, what)
        if sparse := accessor.get("sparse"):
            yield sparse["indices"]["bufferView"], (_BYTES[sparse["indices"]["componentType"]], "indices")
            yield sparse["values"]["bufferView"], (size, what)


def _rounded(accessor: dict, kinds: dict[int, tuple[int, str]]) -> dict:
    """An accessor whose min and max are those of its rounded numbers."""
    view = accessor["sparse"]["values"]["bufferView"] if "sparse" in accessor else accessor.get("bufferView", -1)
    step = _STEPS.get(kinds.get(view, (0, ""))[1])
    if step is None or "min" not in accessor:
        return accessor
    return accessor | {
        side: [float(x) for x in from_steps(to_steps(np.array(accessor[side], np.float32), step))]
        for side in ("min", "max")
    }


def to_steps(numbers: Float32[np.ndarray, "n"], step: float) -> UInt32[np.ndarray, "n"]:
    """The filter EXPONENTIAL with one exponent for all: 8 bits of exponent, 24 of mantissa, both signed."""
    power = int(np.log2(step))
    mantissa = np.round(numbers.astype(np.float64) / step).astype(np.int64)
    while np.abs(mantissa).max(initial=0) >= 2**23:  # too large for the step: a coarser one
        power += 1
        mantissa = np.round(numbers.astype(np.float64) / 2.0**power).astype(np.int64)
    return ((mantissa & 0xFFFFFF) | ((power & 0xFF) << 24)).astype(np.uint32)


def from_steps(packed: UInt32[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    exponent = packed.view(np.int32) >> 24
    mantissa = (packed << np.uint32(8)).view(np.int32) >> 8
    return np.ldexp(mantissa.astype(np.float32), exponent).astype(np.float32)


def encode_attributes(table: UInt8[np.ndarray, "count size"]) -> UInt8[np.ndarray, "packed"]:
    """Mode ATTRIBUTES, version 0; `size` is a multiple of 4, at most 256."""
    count, size = table.shape
    blocks = count // 16 + 16  # more than there can be
    room = np.zeros(1 + count * size + blocks * size * 6 + max(size, _TAIL), np.uint8)
    end = _encode_attributes(table, room)
    tail = max(size, _TAIL)
    room[end + tail - size : end + tail] = table[0] if count else 0
    return room[: end + tail]


def _block_length(size: int) -> int:
    return min(8192 // size // _GROUP * _GROUP, _MOST_IN_BLOCK)


@numba.njit(cache=True)
@no_type_check
def _encode_attributes(table, out):
    """Writes the header and all blocks; the place behind them."""
    count, size = table.shape
    longest = min(8192 // size // 16 * 16, 256)
    out[0] = 0xA0
    place = 1
    deltas = np.zeros(256, np.uint8)
    previous = table[0].copy()
    for first in range(0, count, longest):
        length = min(longest, count - first)
        groups = (length + 15) // 16
        for column in range(size):
            before = np.int32(previous[column])
            deltas[:] = 0
            for i in range(length):
                now = np.int32(table[first + i, column])
                delta = (now - before) & 0xFF
                deltas[i] = ((delta << 1) ^ (0xFF if delta & 0x80 else 0)) & 0xFF
                before = now
            head = place
            place += (groups + 3) // 4
            for group in range(groups):
                start = group * 16
                over3, over15, highest = 0, 0, 0
                for i in range(start, start + 16):
                    over3 += deltas[i] >= 3
                    over15 += deltas[i] >= 15
                    highest = max(highest, deltas[i])
                two, four = 4 + over3, 8 + over15
                if highest == 0:
                    kind = 0
                elif two <= four and two < 16:
                    kind = 1
                elif four < 16:
                    kind = 2
                else:
                    kind = 3
                out[head + group // 4] |= np.uint8(kind << (group % 4 * 2))
                if kind == 3:
                    for i in range(start, start + 16):
                        out[place] = deltas[i]
                        place += 1
                elif kind != 0:
                    bits = 2 if kind == 1 else 4
                    per_byte, limit = 8 // bits, (1 << bits) - 1
                    for i in range(start, start + 16, per_byte):
                        value = 0
                        for j in range(per_byte):
                            value = (value << bits) | min(limit, np.int32(deltas[i + j]))
                        out[place] = value
                        place += 1
                    for i in range(start, start + 16):
                        if deltas[i] >= limit:
                            out[place] = deltas[i]
                            place += 1
        previous = table[first + length - 1].copy()
    return place


def decode_attributes(packed: UInt8[np.ndarray, "packed"], count: int, size: int) -> UInt8[np.ndarray, "count size"]:
    """What `encode_attributes` packed. Raises InputError where it is damaged."""
    table = np.zeros((count, size), np.uint8)
    tail = max(size, _TAIL)
    if len(packed) < 1 + tail or packed[0] != 0xA0 or size % 4 or not 4 <= size <= 256:
        raise InputError("a compressed view is damaged; export the file again")
    if _decode_attributes(packed[: len(packed) - tail], packed[len(packed) - size :], table) != len(packed) - tail:
        raise InputError("a compressed view is damaged; export the file again")
    return table


@numba.njit(cache=True)
@no_type_check
def _decode_attributes(packed, baseline, table):
    """Fills the table; the place behind the last block, or -1 where the data ends too early."""
    count, size = table.shape
    longest = min(8192 // size // 16 * 16, 256)
    place = 1
    deltas = np.zeros(256, np.uint8)
    previous = baseline.copy()
    for first in range(0, count, longest):
        length = min(longest, count - first)
        groups = (length + 15) // 16
        for column in range(size):
            head = place
            place += (groups + 3) // 4
            if place > len(packed):
                return -1
            for group in range(groups):
                start = group * 16
                kind = (packed[head + group // 4] >> (group % 4 * 2)) & 3
                if place + (0, 4, 8, 16)[kind] > len(packed):
                    return -1
                if kind == 0:
                    deltas[start : start + 16] = 0
                elif kind == 3:
                    deltas[start : start + 16] = packed[place : place + 16]
                    place += 16
                else:
                    bits = 2 if kind == 1 else 4
                    per_byte, limit = 8 // bits, (1 << bits) - 1
                    spare = place + 16 // per_byte
                    for i in range(16):
                        value = (packed[place + i // per_byte] >> (8 - bits - i % per_byte * bits)) & limit
                        if value == limit:
                            if spare >= len(packed):
                                return -1
                            value = packed[spare]
                            spare += 1
                        deltas[start + i] = value
                    place = spare
            value = np.int32(previous[column])
            for i in range(length):
                delta = np.int32(deltas[i])
                value = (value + ((delta >> 1) ^ -(delta & 1))) & 0xFF
                table[first + i, column] = value
        previous = table[first + length - 1].copy()
    return place


@numba.njit(cache=True)
@no_type_check
def _encode_indices(indices, out):
    out[0] = 0xD1
    place, current = 1, 0
    last = np.zeros(2, np.int64)
    for i in range(len(indices)):
        index = np.int64(indices[i])
        if abs(index - last[current]) >= 30:  # far from this run: go on from the other one
            current ^= 1
        delta = index - last[current]
        value = (((delta << 1) ^ (delta >> 63)) << 1) | current
        while value > 127:
            out[place] = (value & 127) | 128
            value >>= 7
            place += 1
        out[place] = value
        place += 1
        last[current] = index
    return place + 4  # four zeros end it


def encode_indices(indices: UInt32[np.ndarray, "count"]) -> UInt8[np.ndarray, "packed"]:
    """Mode INDICES: differences to the nearer of two running indices, seven bits a byte. Indices below 2^28."""
    room = np.zeros(5 + 5 * len(indices), np.uint8)
    return room[: _encode_indices(indices, room)]


def decode_indices(packed: UInt8[np.ndarray, "packed"], count: int) -> UInt32[np.ndarray, "count"]:
    """What `encode_indices` packed. Raises InputError where it is damaged."""
    indices = np.zeros(count, np.uint32)
    if len(packed) < 5 or packed[0] != 0xD1 or not _decode_indices(packed, indices):
        raise InputError("a compressed view is damaged; export the file again")
    return indices


@numba.njit(cache=True)
@no_type_check
def _decode_indices(packed, indices):
    place = 1
    last = np.zeros(2, np.int64)
    for i in range(len(indices)):
        value, shift = 0, 0
        while True:
            if place >= len(packed) - 4 or shift > 28:
                return False
            byte = np.int64(packed[place])
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        current = value & 1
        value >>= 1
        last[current] += (value >> 1) ^ -(value & 1)
        indices[i] = last[current]
    return place == len(packed) - 4
