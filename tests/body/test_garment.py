"""Clothes: charts that do not overlap, a normal map whose slopes are those of the folds, a collar on the neck."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from digitalme.body.garment import FOLDS, OUTFITS, dress, fold_height, paint_folds, sew
from digitalme.body.model import load_body
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.rendering.raster import rasterise_ids
from tests.body.people import CLOTH, bare_avatar


@pytest.fixture(scope="module")
def shirt():
    model = load_body()
    return sew("hoodie", model.vertices({}), model, CLOTH)


def test_charts_do_not_overlap(shirt):
    """Texels that a triangle covers show that triangle's place: what else lies there is a neighbour at the edge."""
    mesh, places = shirt
    size = 512
    points = np.column_stack([mesh.uvs * size, np.ones(len(mesh.uvs))])
    ids, bary, _ = rasterise_ids(points, mesh.faces, size, size, perspective=False)
    assert (ids >= 0).mean() > 0.25  # the map is used
    area = np.abs(np.cross(*(np.diff(mesh.uvs[mesh.faces].astype(float), axis=1).transpose(1, 0, 2)))).sum() / 2
    assert area * size * size < 1.12 * (ids >= 0).sum()  # area drawn over twice would be missing in the picture
    shown = np.einsum("nc,ncx->nx", bary[ids >= 0], places[mesh.faces[ids[ids >= 0]]])
    spread, covered = spread_over_uvs(places.astype(float), mesh.uvs.astype(float), mesh.faces, size)
    both = (ids >= 0) & covered
    np.testing.assert_allclose(np.median(np.linalg.norm(spread[both] - shown[covered[ids >= 0]], axis=1)), 0, atol=1e-3)


def test_folds_slope_as_their_height_says(shirt):
    """Along u the normal map's slope is the height's derivative per metre of cloth, where the chart is smooth."""
    mesh, places = shirt
    size = 1024
    picture = paint_folds([mesh], [places], size).astype(float) / 127.5 - 1
    ground, covered = spread_over_uvs(places.astype(float), mesh.uvs.astype(float), mesh.faces, size)
    columns = np.arange(100, 400, 7)
    rows = np.arange(400, 560, 9)
    row, column = np.meshgrid(rows, columns, indexing="ij")
    ok = covered[row, column - 3] & covered[row, column + 3]
    row, column = row[ok], column[ok]
    ahead, behind = ground[row, column + 1].astype(float), ground[row, column - 1].astype(float)
    slope = (fold_height(ahead) - fold_height(behind)) / np.linalg.norm(ahead - behind, axis=1)
    seen = -picture[row, column, 0] / picture[row, column, 2]
    assert np.corrcoef(slope, seen)[0, 1] > 0.9
    assert 0.02 < np.abs(slope).mean() < 0.6


def test_folds_lie_at_elbow_waist_and_armpit():
    rng = np.random.default_rng(0)
    roughness = {}
    for name, middle in {"waist": (0.10, -0.60, 0.05), "elbow": (0.345, -0.35, -0.03), "armpit": (0.13, -0.34, 0.04),
                         "shoulder": (0.12, -0.215, -0.05)}.items():  # fmt: skip
        points = np.array(middle) + rng.uniform(-0.02, 0.02, (600, 3))
        roughness[name] = fold_height(points).std()
    assert min(roughness["waist"], roughness["elbow"], roughness["armpit"]) > 2 * roughness["shoulder"]


@pytest.mark.parametrize("outfit", [name for name in OUTFITS if name != "none"])
def test_an_outfit_shares_one_map_of_folds(outfit):
    model = load_body()
    avatar = dress(bare_avatar({}), model.vertices({}), outfit, {"top": CLOTH, "bottom": (0.2, 0.2, 0.3)})
    cloth = [mesh for mesh in avatar.meshes if mesh.material.kind == "cloth"]
    assert [mesh.name for mesh in cloth] == list(OUTFITS[outfit])
    assert {mesh.material.normal_texture for mesh in cloth} == {FOLDS}
    normals = avatar.textures[FOLDS].astype(float) / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=0.02)
    assert normals[..., 2].min() > 0
    for mesh in cloth:
        assert mesh.uvs.min() >= 0
        assert mesh.uvs.max() <= 1


def test_the_collar_lies_on_the_neck(shirt):
    mesh, places = shirt
    model = load_body()
    neck = (np.hypot(places[:, 0], places[:, 2] + 0.055) < 0.085) & (places[:, 1] > -0.24)
    gap, _ = cKDTree(model.template[model.parts["body"].vertex_ids]).query(mesh.positions[neck])
    assert neck.sum() > 20
    assert np.median(gap) < 0.016
