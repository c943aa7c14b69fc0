"""Compressed files: the codecs lose nothing, what is rounded stays invisible, and others' decoders agree with ours."""

import contextlib
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from digitalme.artifacts.files import read_png
from digitalme.errors import InputError, MissingExtraError
from digitalme.exporters import draco, meshopt
from digitalme.exporters.glb import read_glb, read_glb_file, to_gltf, write_glb, write_glb_file
from digitalme.exporters.options import FOR_THE_WEB, ExportConfig
from digitalme.exporters.pose import stand
from digitalme.exporters.profiles import MIXES, mesh_name, with_speech_morphs
from digitalme.rendering.pose import Rig
from tests.exporters.clients import in_browser, validate


@pytest.fixture(scope="module")
def plain(avatar, performance, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "a.glb"
    write_glb(avatar, performance, path, ExportConfig(texture_size=64, morph_normals=True))
    return path


@pytest.fixture(scope="module", params=["meshopt", "draco"])
def packed(request, avatar, performance, tmp_path_factory):
    if request.param == "draco":
        pytest.importorskip("DracoPy", reason='DracoPy is not installed; pip install "digitalme[draco]"')
    path = tmp_path_factory.mktemp("packed") / "a.glb"
    config = ExportConfig(texture_size=64, morph_normals=True, compress=request.param)
    write_glb(avatar, performance, path, config)
    return request.param, path


@given(
    st.sampled_from([4, 8, 12, 16, 64, 256]).flatmap(
        lambda size: arrays(np.uint8, st.tuples(st.integers(1, 700), st.just(size)))
    )
)
@settings(max_examples=30, deadline=None)
def test_attributes_come_back(table):
    np.testing.assert_array_equal(meshopt.decode_attributes(meshopt.encode_attributes(table), *table.shape), table)


def test_smooth_tables_become_small():
    table = np.cumsum(np.random.default_rng(0).integers(0, 3, (5000, 2)), 0).astype(np.uint32).view(np.uint8)
    packed = meshopt.encode_attributes(table)
    np.testing.assert_array_equal(meshopt.decode_attributes(packed, *table.shape), table)
    assert len(packed) < 0.2 * table.size


@given(arrays(np.uint32, st.integers(0, 500), elements=st.integers(0, 2**26)))
@settings(max_examples=30, deadline=None)
def test_indices_come_back(indices):
    np.testing.assert_array_equal(meshopt.decode_indices(meshopt.encode_indices(indices), len(indices)), indices)


@given(st.binary(min_size=0, max_size=200), st.integers(1, 300), st.sampled_from([4, 12, 64]))
@settings(max_examples=100, deadline=None)
def test_damaged_data_is_refused_or_read_never_overrun(data, count, size):
    with contextlib.suppress(InputError):
        assert meshopt.decode_attributes(np.frombuffer(b"\xa0" + data, np.uint8), count, size).shape == (count, size)
    with contextlib.suppress(InputError):
        assert meshopt.decode_indices(np.frombuffer(b"\xd1" + data, np.uint8), count).shape == (count,)


@given(arrays(np.float32, 50, elements=st.floats(-4, 4, width=32)), st.sampled_from([2.0**-17, 2.0**-10]))
def test_rounding(numbers, step):
    again = meshopt.from_steps(meshopt.to_steps(numbers, step))
    assert np.abs(again - numbers).max() <= step / 2


def test_numbers_too_large_for_the_step_keep_their_size():
    numbers = np.array([1000.0, -3.0], np.float32)
    np.testing.assert_allclose(meshopt.from_steps(meshopt.to_steps(numbers, 2.0**-17)), numbers, atol=1e-3)


def test_read_back(packed, plain):
    """Against the plain file: 10 um for places and morphs, 0.1 degrees for normals; weights and triangles exactly."""
    name, path = packed
    document, _ = read_glb_file(path)
    extension = {"meshopt": meshopt.NAME, "draco": draco.NAME}[name]
    assert extension in document["extensionsRequired"]
    wanted, got = read_glb(plain), read_glb(path)
    assert got.skeleton.names == wanted.skeleton.names
    np.testing.assert_array_equal(got.skeleton.world_from_joint, wanted.skeleton.world_from_joint)
    for ours, theirs in zip(wanted.meshes, got.meshes, strict=True):
        assert theirs.name == ours.name
        np.testing.assert_allclose(theirs.positions, ours.positions, atol=1e-5)
        np.testing.assert_allclose(theirs.normals, ours.normals, atol=2e-3)
        np.testing.assert_allclose(theirs.uvs, ours.uvs, atol=4e-5)
        np.testing.assert_array_equal(theirs.faces, ours.faces)
        np.testing.assert_array_equal(theirs.joints, ours.joints)
        np.testing.assert_array_equal(theirs.weights, ours.weights)
        assert list(theirs.morphs) == list(ours.morphs)
        for morph in ours.morphs:
            count = len(ours.positions)
            ours_moved, theirs_moved = ours.morphs[morph].dense(count), theirs.morphs[morph].dense(count)
            np.testing.assert_allclose(theirs_moved, ours_moved, atol=5e-6)
    assert path.stat().st_size < {"meshopt": 0.5, "draco": 0.9}[name] * plain.stat().st_size


def test_bounds_are_those_of_the_numbers(packed):
    """What a file says of its smallest and largest place is true of what comes out of it."""
    document, _ = read_glb_file(packed[1])
    for mesh, entry in zip(read_glb(packed[1]).meshes, document["meshes"], strict=True):
        accessor = document["accessors"][entry["primitives"][0]["attributes"]["POSITION"]]
        np.testing.assert_array_equal(np.float32(accessor["min"]), mesh.positions.min(0))
        np.testing.assert_array_equal(np.float32(accessor["max"]), mesh.positions.max(0))


def test_khronos_validator(packed, plain):
    for report in validate(packed[1], plain):
        assert (report["errors"], report["warnings"]) == (0, 0), report["messages"]


def test_three_js_reads_the_same(packed, plain, tmp_path):
    """Its decoders (meshoptimizer's and Draco's own) put every vertex within 0.03 mm of the plain file's, morphed."""
    poses = [{"weights": {}}, {"weights": {"jawOpen": 0.7, "eyeBlinkLeft": 1, "viseme_O": 0.4}}]
    request = {"poses": poses, "play": {"clip": "performance", "seconds": 1.0}}
    answers = []
    for path in (plain, packed[1]):
        answers.append(in_browser("three.html", {**request, "files": {"avatar": str(path)}}, tmp_path))
        assert not answers[-1]["complaints"]
    plainly, unpacked = answers
    assert set(unpacked["meshes"]["Wolf3D_Head"]) >= set(MIXES)
    assert unpacked["clips"].keys() == plainly["clips"].keys()
    for ours, theirs in zip(
        [*plainly["poses"], plainly["played"]], [*unpacked["poses"], unpacked["played"]], strict=True
    ):
        for mesh in ours:
            np.testing.assert_allclose(theirs[mesh], ours[mesh], atol=3e-5, err_msg=mesh)


def test_draco_without_dracopy(avatar, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(MissingExtraError, match=re.escape('pip install "digitalme[draco]"')):
        write_glb(avatar, None, tmp_path / "a.glb", ExportConfig(compress="draco"))
    assert not list(tmp_path.iterdir())


def test_unknown_compression():
    with pytest.raises(InputError, match="compress 'zip' is not known; expected one of none, meshopt, draco"):
        ExportConfig(compress="zip")


def test_damaged_file(packed):
    name, path = packed
    if name == "meshopt":
        document, data = read_glb_file(path)
        spoilt = bytearray(data)
        view = next(v for v in document["bufferViews"] if "extensions" in v)["extensions"][meshopt.NAME]
        spoilt[view["byteOffset"]] = 0
        with pytest.raises(InputError, match="damaged"):
            meshopt.expand(document, bytes(spoilt))


@pytest.mark.slow
def test_normals_follow_the_face(avatar, tmp_path):
    """Lit by three.js, a morph with normals looks like a face that was built with that expression; without, less so."""
    ready = with_speech_morphs(stand(avatar, "T"))
    expression = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "browInnerUp": 1.0}
    posed = Rig(ready).pose(expression)
    built = [
        replace(mesh, positions=each.positions, normals=each.normals, morphs={})
        for mesh, each in zip(ready.meshes, posed, strict=True)
    ]
    height = ready.about["head_lift"] + 1.70
    camera = {"width": 300, "height": 300, "focal": 1100}
    camera["camera_from_world"] = [[1, 0, 0, 0], [0, -1, 0, height], [0, 0, -1, 1.2]]
    request = {"of": [], "camera": camera, "ambient": 0.3, "key": 3}

    def picture(name, whom, config, weights):
        write_glb_file(tmp_path / f"{name}.glb", *to_gltf(whom, config, []))
        shown = {
            "files": {"avatar": str(tmp_path / f"{name}.glb")},
            "pictures": [{"name": "p.png", "weights": weights}],
        }
        in_browser("three.html", {**request, **shown}, tmp_path)
        return read_png(tmp_path / "p.png")[..., :3]

    truth = picture("built", replace(ready, meshes=tuple(built)), ExportConfig(texture_size=64), {})
    with_normals, without = (
        picture(f"normals{on}", ready, ExportConfig(texture_size=64, morph_normals=on), expression)
        for on in (True, False)
    )
    likeness = [structural_similarity(truth, other, channel_axis=2) for other in (with_normals, without)]
    difference = [np.abs(truth.astype(int) - other).mean() for other in (with_normals, without)]
    assert likeness[0] > 0.998, "0.9997 was measured, and 0.993 without"
    assert difference[0] < 0.25 * difference[1], "0.06 of 255 was measured, and 0.65 without"


@pytest.mark.slow
def test_a_build_for_the_web(astronaut_avatar, performance, tmp_path):
    """The demo's avatar, hair and clothes and all, with its performance: below 5 MB, valid, and three.js loads it."""
    path = tmp_path / "web.glb"
    write_glb(astronaut_avatar, performance, path, ExportConfig(**FOR_THE_WEB))
    assert path.stat().st_size < 5e6
    assert path.stat().st_size < 2.5e6, "2.0 MB were measured"
    (report,) = validate(path)
    assert (report["errors"], report["warnings"]) == (0, 0), report["messages"]
    answer = in_browser("three.html", {"files": {"avatar": str(path)}, "of": []}, tmp_path)
    assert {mesh_name(mesh.name) for mesh in astronaut_avatar.meshes} == set(answer["meshes"])
    assert len(answer["meshes"]["Wolf3D_Head"]) >= 72
    assert not answer["complaints"]
