"""Put an avatar's body surface somewhere else: new bind-pose vertices, and what the face actions do to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from digitalme.artifacts.avatar import Avatar, Morph
from digitalme.body.character import vertex_normals


def reshape(
    avatar: Avatar,
    vertices: Float[np.ndarray, "vertices 3"],
    actions: Mapping[str, Float[np.ndarray, "vertices 3"]] | None = None,
) -> Avatar:
    """The avatar with its body surface at `vertices` (the body model's order, world frame).

    `actions` replaces the face actions' displacements at weight 1; by default the meshes keep their morphs.
    """
    surface = np.concatenate(
        [mesh.body_vertices[mesh.faces] for mesh in avatar.meshes if mesh.body_vertices is not None]
    )
    normals = vertex_normals(vertices, surface)
    meshes = []
    for mesh in avatar.meshes:
        source = mesh.body_vertices
        if source is None:
            meshes.append(mesh)
            continue
        morphs = mesh.morphs
        if actions is not None:
            moved = {name: Morph.from_dense(move[source], 1e-5) for name, move in actions.items()}
            morphs = {name: morph for name, morph in moved.items() if len(morph.index)}
        positions = vertices[source].astype(np.float32)
        meshes.append(replace(mesh, positions=positions, normals=normals[source].astype(np.float32), morphs=morphs))
    return replace(avatar, meshes=tuple(meshes))
