"""Levels of detail: fewer triangles by edge collapse, with UVs, skin weights and morphs carried over exactly.

Half-edge collapses only ever move a vertex onto a neighbour, so what is left is a subset of the original vertices and
nothing needs interpolation. The cost is the quadric error of Garland and Heckbert (Surface simplification using quadric
error metrics, 1997), summed over the rest shape and a few expressions, so that lips and lids keep their vertices.
"""

from __future__ import annotations

from dataclasses import replace
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int

from digitalme.artifacts import Avatar, AvatarMesh, Morph

_EXPRESSIONS = (
    {"jawOpen": 0.7},
    {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"mouthPucker": 1.0, "browInnerUp": 1.0, "browDownLeft": 1.0},
)
_IMPORTANCE = {"head": 25.0, "eye_left": 8.0, "eye_right": 8.0, "lashes": 30.0, "sockets": 0.2, "mouth": 0.3}
"""How much an error counts on a mesh; 1 on those that are not named."""


def simplify(avatar: Avatar, triangles: int) -> Avatar:
    """The avatar with at most about `triangles` triangles; itself where it has no more. Meshes stay welded at seams."""
    faces = np.concatenate([m.faces + start for m, start in zip(avatar.meshes, _starts(avatar), strict=True)])
    if len(faces) <= triangles:
        return avatar
    positions = np.concatenate([mesh.positions for mesh in avatar.meshes])
    _, weld = np.unique(np.round(positions * 1e6).astype(np.int64), axis=0, return_inverse=True)
    weld = weld.reshape(-1)
    places = np.zeros((weld.max() + 1, 1 + len(_EXPRESSIONS), 3))
    for shape, weights in enumerate(({}, *_EXPRESSIONS)):
        places[weld, shape] = np.concatenate([_morphed(mesh, weights) for mesh in avatar.meshes])
    importance = np.concatenate([np.full(len(m.faces), _IMPORTANCE.get(m.name, 1.0)) for m in avatar.meshes])
    quadrics = _quadrics(weld[faces], places, importance)
    alive = _collapse(weld[faces], faces, places, quadrics, int(triangles))
    return _with_faces(avatar, alive)


def only_head(avatar: Avatar) -> Avatar:
    """The avatar down to the neck: faces that hang on the head or the neck."""
    names = avatar.skeleton.names
    above = np.array([n in ("Neck", "Head", "HeadTop_End", "LeftEye", "RightEye") for n in names])
    faces = []
    for mesh, start in zip(avatar.meshes, _starts(avatar), strict=True):
        held = (mesh.weights * above[mesh.joints]).sum(1) > 0.02
        own = mesh.faces[held[mesh.faces].all(1)] if mesh.material.kind != "cloth" else mesh.faces[:0]
        faces.append(own + start)
    return _with_faces(avatar, np.concatenate(faces))


def _starts(avatar: Avatar) -> Int[np.ndarray, "meshes"]:
    return np.cumsum([0, *(len(mesh.positions) for mesh in avatar.meshes)])[:-1]


def _morphed(mesh: AvatarMesh, weights: dict[str, float]) -> Float[np.ndarray, "v 3"]:
    out = mesh.positions.astype(np.float64)
    for name, weight in weights.items():
        if name in mesh.morphs:
            out[mesh.morphs[name].index] += weight * mesh.morphs[name].delta
    return out


def _with_faces(avatar: Avatar, faces: Int[np.ndarray, "f 3"]) -> Avatar:
    """Only these faces (numbered over all meshes), and the vertices that they use; empty meshes go."""
    meshes = []
    for mesh, start in zip(avatar.meshes, _starts(avatar), strict=True):
        count = len(mesh.positions)
        own = faces[(faces[:, 0] >= start) & (faces[:, 0] < start + count)] - start
        if not len(own):
            continue
        kept = np.unique(own)
        renumber = np.full(count, -1)
        renumber[kept] = np.arange(len(kept))
        morphs = {}
        for name, morph in mesh.morphs.items():
            stays = renumber[morph.index] >= 0
            morphs[name] = Morph(renumber[morph.index[stays]].astype(np.int32), morph.delta[stays])
        per_vertex = {name: getattr(mesh, name)[kept] for name in ("positions", "normals", "uvs", "joints", "weights")}
        if mesh.body_vertices is not None:
            per_vertex["body_vertices"] = mesh.body_vertices[kept]
        meshes.append(replace(mesh, faces=renumber[own].astype(np.int32), morphs=morphs, **per_vertex))
    return replace(avatar, meshes=tuple(meshes))


def _collapse(
    places_of: Int[np.ndarray, "f 3"],
    corners: Int[np.ndarray, "f 3"],
    places: Float[np.ndarray, "p s 3"],
    quadrics: Float[np.ndarray, "p s 4 4"],
    goal: int,
) -> Int[np.ndarray, "g 3"]:
    """Collapse until `goal` faces are left or nothing may go. Returns the corners of the faces that stay."""
    places_of, corners = places_of.astype(np.int64), corners.astype(np.int64)
    size = np.ptp(places[:, 0], axis=0).max()
    while len(places_of) > goal:
        start, around = _incidence(places_of, len(places))
        gone = _pass(places_of, corners, places, quadrics, start, around, len(places_of) - goal, 1e-5 * size)
        if not gone.any():
            break
        places_of, corners = places_of[~gone], corners[~gone]
    return corners


def _quadrics(
    faces: Int[np.ndarray, "f 3"], places: Float[np.ndarray, "p s 3"], importance: Float[np.ndarray, "f"]
) -> Float[np.ndarray, "p s 4 4"]:
    """Per place and shape, the sum of plane quadrics weighted by area and importance."""
    out = np.zeros((len(places), places.shape[1], 4, 4))
    for shape in range(places.shape[1]):
        a, b, c = (places[faces[:, i], shape] for i in range(3))
        cross = np.cross(b - a, c - a)
        area = np.linalg.norm(cross, axis=1, keepdims=True)
        normal = cross / np.maximum(area, 1e-12)
        plane = np.concatenate([normal, -(normal * a).sum(1, keepdims=True)], 1)
        own = plane[:, :, None] * plane[:, None] * (area / 2 * importance[:, None])[:, :, None]
        for corner in range(3):
            np.add.at(out[:, shape], faces[:, corner], own)
    return out


def _incidence(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces around each place as a list and where each place's begin."""
    flat = faces.reshape(-1)
    start = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=count))])
    return start, np.argsort(flat, kind="stable") // 3


@numba.njit(cache=True)
@no_type_check
def _error(quadric, point):
    total = 0.0
    for shape in range(len(quadric)):
        for i in range(4):
            for j in range(4):
                left = point[shape, i] if i < 3 else 1.0
                right = point[shape, j] if j < 3 else 1.0
                total += left * quadric[shape, i, j] * right
    return max(total, 0.0)


@numba.njit(cache=True)
@no_type_check
def _neighbours(u, faces, start, around, out):
    """Distinct places that share a face with u, into `out`; their number (-1: too many)."""
    count = 0
    for slot in range(start[u], start[u + 1]):
        for corner in range(3):
            v = faces[around[slot], corner]
            if v == u:
                continue
            known = False
            for i in range(count):
                if out[i] == v:
                    known = True
                    break
            if not known:
                if count == len(out):
                    return -1
                out[count] = v
                count += 1
    return count


@numba.njit(cache=True)
@no_type_check
def _shared_faces(u, v, faces, start, around):
    count = 0
    for slot in range(start[u], start[u + 1]):
        face = around[slot]
        if faces[face, 0] == v or faces[face, 1] == v or faces[face, 2] == v:
            count += 1
    return count


@numba.njit(cache=True)
@no_type_check
def _turns_over(before, after):
    """Does a triangle's normal turn by more than 75 degrees?"""
    dot, square_before, square_after = 0.0, 0.0, 0.0
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        a = (before[1, i] - before[0, i]) * (before[2, j] - before[0, j])
        a -= (before[1, j] - before[0, j]) * (before[2, i] - before[0, i])
        b = (after[1, i] - after[0, i]) * (after[2, j] - after[0, j])
        b -= (after[1, j] - after[0, j]) * (after[2, i] - after[0, i])
        dot += a * b
        square_before += a * a
        square_after += b * b
    return dot < 0.25 * np.sqrt(square_before * square_after)


@numba.njit(cache=True)
@no_type_check
def _may(u, v, faces, corners, places, start, around, ring_u, count_u, ring_v, old, new):
    """May u go onto v? Fills old/new corner pairs and returns their number, or -1.

    Manifold edges only; a border vertex only along the border; every texture corner of u must have its counterpart at v
    in a face that both share (so a seam vertex only slides along its seam); no triangle may turn over.
    """
    shared = _shared_faces(u, v, faces, start, around)
    if shared < 1 or shared > 2:
        return -1
    border = False
    for i in range(count_u):
        sides = _shared_faces(u, ring_u[i], faces, start, around)
        if sides > 2:
            return -1
        if sides == 1:
            border = True
    if border and shared != 1:
        return -1
    count_v = _neighbours(v, faces, start, around, ring_v)
    if count_v < 0:
        return -1
    common = 0
    for i in range(count_u):
        for j in range(count_v):
            if ring_u[i] == ring_v[j]:
                common += 1
    if common != shared:  # would pinch the surface
        return -1
    pairs = 0
    for slot in range(start[u], start[u + 1]):
        face = around[slot]
        at_u, at_v = -1, -1
        for corner in range(3):
            if faces[face, corner] == u:
                at_u = corners[face, corner]
            elif faces[face, corner] == v:
                at_v = corners[face, corner]
        if at_v < 0:
            continue
        for i in range(pairs):
            if old[i] == at_u and new[i] != at_v:
                return -1
        old[pairs], new[pairs] = at_u, at_v
        pairs += 1
    for slot in range(start[u], start[u + 1]):
        face = around[slot]
        if faces[face, 0] == v or faces[face, 1] == v or faces[face, 2] == v:
            continue
        found = False
        points = np.empty((3, 3))
        moved = np.empty((3, 3))
        for corner in range(3):
            place = faces[face, corner]
            target = v if place == u else place
            for axis in range(3):
                points[corner, axis] = places[place, 0, axis]
                moved[corner, axis] = places[target, 0, axis]
            if place == u:
                for i in range(pairs):
                    found = found or old[i] == corners[face, corner]
        if not found:
            return -1
        if _turns_over(points, moved):
            return -1
    return pairs


@numba.njit(cache=True)
@no_type_check
def _pass(faces, corners, places, quadrics, start, around, surplus, scale):
    """One round of collapses that do not touch each other, cheapest first. Changes the arrays; marks the faces gone."""
    count = len(places)
    cost = np.full(count, np.inf)
    ring_u, ring_v = np.empty(64, np.int64), np.empty(64, np.int64)
    for u in range(count):
        if start[u] == start[u + 1]:
            continue
        ring = _neighbours(u, faces, start, around, ring_u)
        for i in range(ring):
            length = 0.0
            for axis in range(3):
                length += (places[u, 0, axis] - places[ring_u[i], 0, axis]) ** 2
            # a little for length, so that flat regions thin out evenly
            cost[u] = min(cost[u], _error(quadrics[u], places[ring_u[i]]) + scale * length * length)
    order = np.argsort(cost)
    busy = np.zeros(count, np.bool_)
    gone = np.zeros(len(faces), np.bool_)
    old, new = np.empty(4, np.int64), np.empty(4, np.int64)
    removed = 0
    # the dearest third waits for the next round, when cheaper ones may have become free
    limit = max(64, np.isfinite(cost).sum() // 3)
    for rank in range(min(limit, count)):
        u = order[rank]
        if removed >= surplus or not np.isfinite(cost[u]):
            break
        if busy[u]:
            continue
        ring = _neighbours(u, faces, start, around, ring_u)
        if ring < 0:
            continue
        best, best_cost = -1, np.inf
        touched = False
        for i in range(ring):
            touched = touched or busy[ring_u[i]]
        if touched:
            continue
        for i in range(ring):
            v = ring_u[i]
            length = 0.0
            for axis in range(3):
                length += (places[u, 0, axis] - places[v, 0, axis]) ** 2
            candidate = _error(quadrics[u], places[v]) + scale * length * length
            if candidate < best_cost and _may(
                u, v, faces, corners, places, start, around, ring_u, ring, ring_v, old, new
            ) >= 0:  # fmt: skip
                best, best_cost = v, candidate
        if best < 0:
            continue
        pairs = _may(u, best, faces, corners, places, start, around, ring_u, ring, ring_v, old, new)
        for slot in range(start[u], start[u + 1]):
            face = around[slot]
            if faces[face, 0] == best or faces[face, 1] == best or faces[face, 2] == best:
                gone[face] = True
                removed += 1
                continue
            for corner in range(3):
                if faces[face, corner] == u:
                    faces[face, corner] = best
                    for i in range(pairs):
                        if old[i] == corners[face, corner]:
                            corners[face, corner] = new[i]
                            break
        for shape in range(places.shape[1]):
            for i in range(4):
                for j in range(4):
                    quadrics[best, shape, i, j] += quadrics[u, shape, i, j]
        busy[u] = True
        for i in range(ring):
            busy[ring_u[i]] = True
    return gone
