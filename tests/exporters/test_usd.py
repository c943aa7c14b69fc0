"""USDZ: usd-core's validators, and its own skinning against ours."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from digitalme.exporters.options import ExportConfig
from digitalme.exporters.pose import NECK_SHARE, local_from_world, pose_mesh, stand, world_from_local
from digitalme.exporters.profiles import MIXES, mesh_name, with_speech_morphs
from digitalme.spaces import rotation_from_euler

pxr = pytest.importorskip("pxr", reason='usd-core is not installed; pip install "digitalme[usd]"')


@pytest.fixture(scope="module")
def stage(avatar, performance, tmp_path_factory):
    from pxr import Usd

    from digitalme.exporters.usd import write_usdz

    path = tmp_path_factory.mktemp("usd") / "avatar.usdz"
    write_usdz(avatar, performance, path, ExportConfig(profile="mixamo"))
    return Usd.Stage.Open(str(path))


def test_validators(stage):
    from pxr import UsdValidation

    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    problems = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [(problem.GetName(), problem.GetMessage()) for problem in problems] == []


def test_stage(stage):
    from pxr import UsdGeom

    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().GetName() == "Avatar"
    assert stage.GetTimeCodesPerSecond() == 30


def test_usd_skins_and_morphs_as_we_do(stage, avatar, performance):
    """UsdSkel's own posing of the performance's second 1, vertex by vertex."""
    from pxr import UsdSkel, Vt

    time = 30
    ready = with_speech_morphs(stand(avatar, "T"))
    curves, angles = performance.at(1.0)
    turn = Rotation.from_matrix(rotation_from_euler(*angles.astype(float))).as_rotvec()
    local = local_from_world(ready.skeleton, ready.skeleton.world_from_joint)
    for joint, share in (("Neck", NECK_SHARE), ("Head", 1 - NECK_SHARE)):
        local[ready.skeleton.names.index(joint), :3, :3] @= Rotation.from_rotvec(share * turn).as_matrix()
    world = world_from_local(ready.skeleton, local)

    cache = UsdSkel.Cache()
    root = UsdSkel.Root(stage.GetPrimAtPath("/Avatar/Armature"))
    from pxr import Usd

    cache.Populate(root, Usd.PrimDefaultPredicate)
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath("/Avatar/Armature/Skeleton"))
    query = cache.GetSkelQuery(skeleton)
    transforms = query.ComputeSkinningTransforms(time)
    weights = query.GetAnimQuery().ComputeBlendShapeWeights(time)
    for mesh in ready.meshes:
        prim = stage.GetPrimAtPath(f"/Avatar/Armature/{mesh_name(mesh.name)}")
        skinning = cache.GetSkinningQuery(prim)
        points = Vt.Vec3fArray(prim.GetAttribute("points").Get())
        if mesh.morphs:
            own = skinning.GetBlendShapeMapper().Remap(weights) if skinning.GetBlendShapeMapper() else weights
            shapes = UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(prim))
            parts = shapes.ComputeSubShapeWeights(own)
            shapes.ComputeDeformedPoints(
                parts[0], parts[1], parts[2], shapes.ComputeBlendShapePointIndices(),
                shapes.ComputeSubShapePointOffsets(), points,
            )  # fmt: skip
        assert skinning.ComputeSkinnedPoints(transforms, points, time)
        ours = pose_mesh(mesh, ready.skeleton, world, curves)
        assert np.linalg.norm(np.array(points) - ours, axis=1).max() < 1e-4, mesh.name


def test_names_and_weights(stage, avatar):
    ready = with_speech_morphs(stand(avatar, "T"))
    head = stage.GetPrimAtPath("/Avatar/Armature/Wolf3D_Head")
    assert list(head.GetAttribute("skel:blendShapes").Get()) == list(ready.mesh("head").morphs)
    assert set(MIXES) <= set(head.GetAttribute("skel:blendShapes").Get())
    weights = np.array(head.GetAttribute("primvars:skel:jointWeights").Get()).reshape(-1, 4)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    joints = stage.GetPrimAtPath("/Avatar/Armature/Skeleton").GetAttribute("joints").Get()
    assert [path.split("/")[-1] for path in joints] == list(ready.skeleton.names)
    bind = stage.GetPrimAtPath("/Avatar/Armature/Skeleton").GetAttribute("bindTransforms").Get()
    np.testing.assert_allclose(
        np.swapaxes(np.array(bind), 1, 2), ready.skeleton.world_from_joint, atol=1e-6
    )  # fmt: skip
