"""USDZ: the avatar as UsdSkel with blend shapes and UsdPreviewSurface materials, its performance as a SkelAnimation.

Needs the extra `usd` (usd-core). Follows the UsdSkel schema: matrices are row vectors' (transposed), st runs upwards.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from digitalme.artifacts import Avatar, AvatarMesh, Material, Performance, Skeleton
from digitalme.errors import MissingExtraError
from digitalme.exporters.glb import encode_picture, first_seconds
from digitalme.exporters.options import DEFAULT, ExportConfig
from digitalme.exporters.pose import head_clip, local_from_world, stand
from digitalme.exporters.profiles import mesh_name, with_speech_morphs
from digitalme.spaces import srgb_to_linear

try:
    from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt
except ImportError:
    raise MissingExtraError('USD files need usd-core; get it with: pip install "digitalme[usd]"') from None

_FILE_TIME = 946_728_000  # 2000-01-01, 12:00 UTC


def write_usdz(
    avatar: Avatar, performance: Performance | None, path: Path, config: ExportConfig = DEFAULT
) -> None:  # fmt: skip
    """Write one .usdz file that holds the stage and its textures."""
    ready = with_speech_morphs(stand(avatar, config.pose))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images = _write_images(ready, folder, config)
        layer = folder / "avatar.usdc"
        stage = Usd.Stage.CreateNew(str(layer))
        _fill(stage, ready, performance, images, config)
        stage.GetRootLayer().Save()
        del stage
        for file in folder.iterdir():  # the package keeps the files' times: the same avatar gives the same bytes
            os.utime(file, (_FILE_TIME, _FILE_TIME))
        package = folder / "avatar.usdz"
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(package)):
            raise OSError(f"{path}: usd-core could not put the package together")
        path.write_bytes(package.read_bytes())


def _write_images(avatar: Avatar, folder: Path, config: ExportConfig) -> dict[str, str]:
    """Texture key to file name. USDZ allows JPEG and PNG."""
    names = {}
    for key, picture in avatar.textures.items():
        alpha = picture.ndim == 3 and picture.shape[2] == 4
        image_format = "png" if alpha or config.image_format == "png" else "jpeg"
        names[key] = f"{key}.{'png' if image_format == 'png' else 'jpg'}"
        (folder / names[key]).write_bytes(encode_picture(picture, image_format, config.texture_size))
    return names


def _fill(
    stage: Usd.Stage, avatar: Avatar, performance: Performance | None, images: dict[str, str], config: ExportConfig
) -> None:
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/Avatar")
    stage.SetDefaultPrim(root.GetPrim())
    stage.GetRootLayer().documentation = f"{avatar.name}, made by digitalme"
    skel_root = UsdSkel.Root.Define(stage, "/Avatar/Armature")
    paths = _joint_paths(avatar.skeleton)
    skeleton = UsdSkel.Skeleton.Define(stage, "/Avatar/Armature/Skeleton")
    skeleton.CreateJointsAttr(paths)
    local = local_from_world(avatar.skeleton, avatar.skeleton.world_from_joint)
    skeleton.CreateBindTransformsAttr(_matrices(avatar.skeleton.world_from_joint))
    skeleton.CreateRestTransformsAttr(_matrices(local))

    materials: dict[Material, UsdShade.Material] = {}
    extent = []
    for mesh in avatar.meshes:
        if mesh.material not in materials:
            where = f"/Avatar/Materials/{Tf.MakeValidIdentifier(mesh.material.name)}"
            while stage.GetPrimAtPath(where):
                where += "_"
            materials[mesh.material] = _material(stage, where, mesh.material, images)
        prim = _mesh(stage, f"/Avatar/Armature/{Tf.MakeValidIdentifier(mesh_name(mesh.name))}", mesh, skeleton)
        UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(materials[mesh.material])
        extent += [mesh.positions.min(0), mesh.positions.max(0)]
    UsdSkel.BindingAPI.Apply(skel_root.GetPrim())
    model = UsdGeom.ModelAPI.Apply(root.GetPrim())
    model.SetExtentsHint(
        Vt.Vec3fArray([Gf.Vec3f(*map(float, np.min(extent, 0))), Gf.Vec3f(*map(float, np.max(extent, 0)))])
    )  # fmt: skip
    if performance is not None and performance.frames:
        _animate(stage, skeleton, avatar, paths, local, first_seconds(performance, config.clip_seconds), config)


def _joint_paths(skeleton: Skeleton) -> list[str]:
    paths: list[str] = []
    for name, parent in zip(skeleton.names, skeleton.parents, strict=True):
        own = Tf.MakeValidIdentifier(name)
        paths.append(f"{paths[parent]}/{own}" if parent >= 0 else own)
    return paths


def _matrices(stack: np.ndarray) -> Vt.Matrix4dArray:
    return Vt.Matrix4dArray([Gf.Matrix4d(*map(float, matrix.T.reshape(-1))) for matrix in stack])


def _vectors(values: np.ndarray) -> Vt.Vec3fArray:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _mesh(stage: Usd.Stage, where: str, mesh: AvatarMesh, skeleton: UsdSkel.Skeleton) -> UsdGeom.Mesh:
    prim = UsdGeom.Mesh.Define(stage, where)
    prim.CreatePointsAttr(_vectors(mesh.positions))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32)))
    prim.CreateNormalsAttr(_vectors(mesh.normals))
    prim.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    prim.CreateDoubleSidedAttr(mesh.material.double_sided)
    prim.CreateExtentAttr(_vectors(np.stack([mesh.positions.min(0), mesh.positions.max(0)])))
    st = UsdGeom.PrimvarsAPI(prim).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    upward = np.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], 1).astype(np.float32)
    st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(upward)))
    binding = UsdSkel.BindingAPI.Apply(prim.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateJointIndicesPrimvar(False, 4).Set(
        Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.joints.reshape(-1), np.int32))
    )
    binding.CreateJointWeightsPrimvar(False, 4).Set(
        Vt.FloatArray.FromNumpy(np.ascontiguousarray(mesh.weights.reshape(-1), np.float32))
    )
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    if mesh.morphs:
        targets = []
        for name, morph in mesh.morphs.items():
            shape = UsdSkel.BlendShape.Define(stage, f"{where}/{name}")
            shape.CreateOffsetsAttr(_vectors(morph.delta))
            shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(morph.index, np.int32)))
            targets.append(shape.GetPath())
        binding.CreateBlendShapesAttr(list(mesh.morphs))
        binding.CreateBlendShapeTargetsRel().SetTargets(targets)
    return prim


def _material(stage: Usd.Stage, where: str, material: Material, images: dict[str, str]) -> UsdShade.Material:
    out = UsdShade.Material.Define(stage, where)
    surface = UsdShade.Shader.Define(stage, f"{where}/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(float(material.roughness))
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    color = Gf.Vec3f(*(float(x) for x in srgb_to_linear(np.array(material.base_color[:3]))))
    diffuse = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    opacity = surface.CreateInput("opacity", Sdf.ValueTypeNames.Float)
    opacity.Set(float(material.base_color[3]))
    if material.alpha_mode == "MASK":
        surface.CreateInput("opacityThreshold", Sdf.ValueTypeNames.Float).Set(float(material.alpha_cutoff))
    diffuse.Set(color)
    if material.texture is not None:
        picture = _picture(stage, f"{where}/Color", images[material.texture], "sRGB")
        picture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(*color, float(material.base_color[3])))
        diffuse.ConnectToSource(picture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
        if material.alpha_mode != "OPAQUE":
            opacity.ConnectToSource(picture.CreateOutput("a", Sdf.ValueTypeNames.Float))
    if material.normal_texture is not None:
        picture = _picture(stage, f"{where}/Normal", images[material.normal_texture], "raw")
        picture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
        picture.CreateInput("bias", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
        surface.CreateInput("normal", Sdf.ValueTypeNames.Normal3f).ConnectToSource(
            picture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
        )
    out.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    return out


def _picture(stage: Usd.Stage, where: str, file: str, color_space: str) -> UsdShade.Shader:
    uv = UsdShade.Shader.Define(stage, f"{where}UV")
    uv.CreateIdAttr("UsdPrimvarReader_float2")
    uv.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    picture = UsdShade.Shader.Define(stage, where)
    picture.CreateIdAttr("UsdUVTexture")
    picture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{file}"))
    picture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(color_space)
    for axis in "ST":
        picture.CreateInput(f"wrap{axis}", Sdf.ValueTypeNames.Token).Set("clamp")
    picture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
        uv.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    )
    return picture


def _animate(
    stage: Usd.Stage, skeleton: UsdSkel.Skeleton, avatar: Avatar, paths: list[str], local: np.ndarray,
    performance: Performance, config: ExportConfig,
) -> None:  # fmt: skip
    """Time samples of all joints' rotations and of the morphs that the performance moves."""
    clip = head_clip(performance, config.clip_rate)
    frames = len(next(iter(clip.rotations.values())))
    stage.SetTimeCodesPerSecond(config.clip_rate)
    stage.SetFramesPerSecond(config.clip_rate)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(frames - 1)
    motion = UsdSkel.Animation.Define(stage, f"{skeleton.GetPath()}/performance")
    moving = [name for name in clip.rotations if name in avatar.skeleton.names]
    rows = [avatar.skeleton.names.index(name) for name in moving]
    motion.CreateJointsAttr([paths[row] for row in rows])
    motion.CreateTranslationsAttr(_vectors(local[rows, :3, 3]))
    motion.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * len(rows)))
    turned = [
        (Rotation.from_matrix(local[row, :3, :3]) * Rotation.from_quat(clip.rotations[name])).as_quat()
        for row, name in zip(rows, moving, strict=True)
    ]
    grid, own = np.arange(frames) / config.clip_rate, np.arange(performance.frames) / performance.rate
    morphs = {name for mesh in avatar.meshes for name in mesh.morphs}
    names = [n for n, curve in performance.curves.items() if n in morphs and np.abs(curve).max() > 1e-4]
    curves = [np.interp(grid, own, performance.curves[name]) for name in names]
    rotations = motion.CreateRotationsAttr()
    weights = motion.CreateBlendShapeWeightsAttr()
    motion.CreateBlendShapesAttr(names)
    for frame in range(frames):
        quaternions = [Gf.Quatf(float(q[frame][3]), *(float(x) for x in q[frame][:3])) for q in turned]
        rotations.Set(Vt.QuatfArray(quaternions), frame)
        weights.Set(Vt.FloatArray([float(curve[frame]) for curve in curves]), frame)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion.GetPath()])
