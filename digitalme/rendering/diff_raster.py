"""A differentiable rasteriser in torch: pictures whose gradients reach the vertices, for fitting by gradient descent.

Visibility comes from the CPU rasteriser and has no gradient. Inside a triangle, gradients flow through the
perspective-correct barycentrics; across silhouettes through antialiasing of pixel pairs, as in Laine et al. 2020,
"Modular Primitives for High-Performance Differentiable Rendering" (section 3.3): where two neighbouring pixels show
different surfaces, the place at which the nearer one's edge crosses between their centres blends their colours.

    seen = rasterise(project(vertices, camera), faces, width, height)
    picture = antialias(interpolate(colors, seen), seen)

It lives beside the CPU rasteriser because geometry may not import rendering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from digitalme.artifacts import Camera
from digitalme.rendering.raster import rasterise_ids

Tensor = torch.Tensor


@dataclass(frozen=True)
class Seen:
    """What every pixel shows. `pixels` (p,) are the flat indices of covered pixels; their faces and barycentrics."""

    height: int
    width: int
    points: Float[Tensor, "v 3"]
    """Corners in pixels and depth, with gradient."""
    faces: Int[Tensor, "f 3"]
    face_id: Int[Tensor, "h w"]
    depth: Float[Tensor, "h w"]
    """Without gradient; infinity where nothing is."""
    pixels: Int[Tensor, "p"]
    bary: Float[Tensor, "p 3"]
    """Perspective-correct, with gradient to `points`."""


def project(vertices: Float[Tensor, "v 3"], camera: Camera) -> Float[Tensor, "v 3"]:
    """World points to (x, y) pixels and depth, as Camera.project, with gradients."""
    pose = torch.as_tensor(camera.camera_from_world, dtype=vertices.dtype)
    seen = vertices @ pose[:, :3].T + pose[:, 3]
    center = torch.tensor(camera.center_px or (camera.width / 2, camera.height / 2), dtype=vertices.dtype)
    return torch.cat([camera.focal_px * seen[:, :2] / seen[:, 2:] + center, seen[:, 2:]], 1)


def rasterise(points: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"], width: int, height: int) -> Seen:
    """The nearest triangle at every pixel centre and the differentiable barycentrics in it."""
    face_id, _, depth = rasterise_ids(points.detach().numpy(), faces.numpy(), width, height)
    flat = torch.from_numpy(np.flatnonzero(face_id >= 0))
    ids = torch.from_numpy(face_id.astype(np.int64))
    corners = points[faces[ids.view(-1)[flat]].long()]
    centre = torch.stack([flat % width, flat // width], 1).to(points.dtype) + 0.5
    edge = corners[..., :2] - centre[:, None]
    # twice the areas of the triangles that the pixel makes with each edge
    areas = torch.stack([_cross(edge[:, (k + 1) % 3], edge[:, (k + 2) % 3]) for k in range(3)], 1)
    weights = areas / corners[..., 2]
    bary = weights / weights.sum(1, keepdim=True)
    return Seen(height, width, points, faces, ids, torch.from_numpy(depth).to(points.dtype), flat, bary)


def interpolate(attributes: Float[Tensor, "v c"], seen: Seen, background: float = 0.0) -> Float[Tensor, "h w c"]:
    """Vertex attributes at every pixel; `background` where no triangle is."""
    corners = attributes[seen.faces[seen.face_id.view(-1)[seen.pixels]].long()]
    values = (corners * seen.bary[..., None]).sum(1)
    picture = attributes.new_full((seen.height * seen.width, attributes.shape[1]), background)
    return picture.index_put((seen.pixels,), values).view(seen.height, seen.width, -1)


def antialias(picture: Float[Tensor, "h w c"], seen: Seen) -> Float[Tensor, "h w c"]:
    """The picture with its silhouettes blended by where they cross between pixel centres; differentiable."""
    outline = _silhouettes(seen)
    for axis in (1, 0):
        picture = _blend_pairs(picture, seen, outline, axis)
    return picture


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _silhouettes(seen: Seen) -> Tensor:
    """(f, 3): whether the edge opposite to corner k lies on a border of the mesh or between a front and a back face."""
    with torch.no_grad():
        faces = seen.faces.long()
        xy = seen.points[:, :2][faces]
        facing = _cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]) < 0
        pairs = torch.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], 1).sort(2).values.view(-1, 2)
        _, edge, count = torch.unique(pairs, dim=0, return_inverse=True, return_counts=True)
        fronts = torch.zeros(len(count)).index_add_(0, edge, facing.repeat_interleave(3).float())
        outline = (fronts > 0) & (fronts < count) | (count == 1)
        return outline[edge].view(-1, 3)


def _blend_pairs(picture: Tensor, seen: Seen, outline: Tensor, axis: int) -> Tensor:
    """Blend every pair of pixels that are neighbours along the axis (0 down, 1 right) and show different surfaces."""
    height, width = seen.height, seen.width
    index = torch.arange(height * width).view(height, width)
    first, second = (index[:, :-1], index[:, 1:]) if axis == 1 else (index[:-1], index[1:])
    first, second = first.reshape(-1), second.reshape(-1)
    ids, depth = seen.face_id.view(-1), seen.depth.view(-1)
    differ = ids[first] != ids[second]
    first, second = first[differ], second[differ]
    swap = depth[second] < depth[first]
    # `near` shows the surface in front, whose edge hides what `far` shows
    near, far = torch.where(swap, second, first), torch.where(swap, first, second)
    face = ids[near]
    corners = seen.points[seen.faces[face].long()][..., :2]
    dtype = seen.points.dtype
    start = torch.stack([near % width, near // width], 1).to(dtype) + 0.5
    step = torch.stack([far % width, far // width], 1).to(dtype) + 0.5 - start
    reach = []
    for k in range(3):  # where each edge's line crosses from start to start + step, in 0..1
        a, b = corners[:, (k + 1) % 3], corners[:, (k + 2) % 3]
        along = b - a
        across = _cross(step, along)
        safe = torch.where(across.abs() < 1e-9, torch.ones_like(across), across)
        t = _cross(a - start, along) / safe
        s = _cross(a - start, step) / safe
        crossing = (across.abs() >= 1e-9) & (t >= 0) & (t <= 1) & (s >= 0) & (s <= 1) & outline[face, k]
        reach.append(torch.where(crossing, t, torch.full_like(t, 2.0)))
    where = torch.stack(reach, 1).min(1).values
    found = where <= 1
    near, far, where = near[found], far[found], where[found, None]
    flat = picture.reshape(height * width, -1)
    # the nearer surface covers its own pixel up to `where`: past the middle it reaches into the other, short of it not
    into_far = (where - 0.5).clamp(min=0) * (flat[near] - flat[far])
    into_near = (0.5 - where).clamp(min=0) * (flat[far] - flat[near])
    return flat.index_add(0, far, into_far).index_add(0, near, into_near).view_as(picture)
