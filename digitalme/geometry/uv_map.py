"""Values at vertices spread over a texture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def spread_over_uvs(
    values: Float[np.ndarray, "v c"], uvs: Float[np.ndarray, "v 2"], faces: Int[np.ndarray, "f 3"], size: int
) -> tuple[Float[np.ndarray, "s s c"], np.ndarray]:
    """Vertex values interpolated over a square texture, and which texels a triangle covers (grown by a texel).

    `uvs` as in glTF: (0, 0) is the top left corner. Texels that nothing covers are 0.
    """
    picture = np.zeros((size, size, values.shape[1]), np.float32)
    covered = np.zeros((size, size), bool)
    corners = (uvs * size - 0.5)[faces]
    low = np.clip(np.floor(corners.min(1)).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(corners.max(1)).astype(int) + 2, 1, size)
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    reach = np.sqrt(np.abs(area)) + 1e-6
    for i in np.flatnonzero(np.abs(area) > 1e-9):
        (x0, y0), (x1, y1) = low[i], high[i]
        x = np.arange(x0, x1)[None] - corners[i, 0, 0]
        y = np.arange(y0, y1)[:, None] - corners[i, 0, 1]
        b = (x * edge2[i, 1] - y * edge2[i, 0]) / area[i]
        c = (edge1[i, 0] * y - edge1[i, 1] * x) / area[i]
        slack = -1.2 / reach[i]
        inside = (b >= slack) & (c >= slack) & (1 - b - c >= slack)
        exact = (b >= 0) & (c >= 0) & (b + c <= 1)
        write = inside & (exact | ~covered[y0:y1, x0:x1])
        mix = np.stack([1 - b - c, b, c], -1)[write]
        picture[y0:y1, x0:x1][write] = mix @ values[faces[i]]
        covered[y0:y1, x0:x1] |= inside
    return picture, covered
