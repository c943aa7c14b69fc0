"""The groom stage on synthetic people: what it makes is a whole character, repeatable, and wears what was asked."""

import numpy as np
import pytest

from digitalme.artifacts import Avatar
from digitalme.body import moe
from digitalme.body.character import base_avatar
from digitalme.errors import InputError
from digitalme.stages.groom import GroomConfig, groom
from tests.body.people import CLOTH, HAIR, IDENTITIES, IRIS, seen_meshes, synthetic_person


@pytest.fixture(scope="module")
def person():
    return synthetic_person({"gender-": 0.5})


@pytest.fixture(scope="module")
def studio_avatar(person):
    return groom(*person, GroomConfig())


@pytest.fixture(scope="module")
def moe_avatar(person):
    return groom(*person, GroomConfig(look="moe"))


def assert_whole(avatar: Avatar) -> None:
    """Finite, indexed in range, weights that sum to 1, unit normals, textures that exist and are all used."""
    used = set()
    for mesh in avatar.meshes:
        count = len(mesh.positions)
        assert count
        assert len(mesh.faces), mesh.name
        for array in (mesh.positions, mesh.normals, mesh.uvs, mesh.weights):
            assert len(array) == count
            assert np.isfinite(array).all(), mesh.name
        assert mesh.faces.min() >= 0
        assert len(np.unique(mesh.faces)) == count, f"{mesh.name} has vertices without triangles"
        np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-5)
        assert mesh.joints.min() >= 0
        assert mesh.joints.max() < len(avatar.skeleton.names)
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
        assert mesh.uvs.min() >= -1e-4
        assert mesh.uvs.max() <= 1 + 1e-4
        for morph in mesh.morphs.values():
            assert morph.index.max() < count
        used |= {mesh.material.texture, mesh.material.normal_texture} - {None}
    assert used == set(avatar.textures)


def test_studio_avatar_is_whole(studio_avatar):
    assert_whole(studio_avatar)
    assert studio_avatar.look == "studio"
    assert {"tshirt", "trousers", "hair"} <= {mesh.name for mesh in studio_avatar.meshes}


def test_moe_avatar_is_whole_and_keeps_all_actions(studio_avatar, moe_avatar):
    assert_whole(moe_avatar)
    actions = lambda avatar: {name for mesh in avatar.meshes for name in mesh.morphs}  # noqa: E731
    assert actions(moe_avatar) == actions(studio_avatar)
    assert len(actions(moe_avatar)) == 52


def test_same_input_same_bytes(person, studio_avatar, moe_avatar):
    for avatar, config in ((studio_avatar, GroomConfig()), (moe_avatar, GroomConfig(look="moe"))):
        again = groom(*person, config)
        for mesh, twin in zip(avatar.meshes, again.meshes, strict=True):
            np.testing.assert_array_equal(mesh.positions, twin.positions)
            np.testing.assert_array_equal(mesh.uvs, twin.uvs)
        for name, texture in avatar.textures.items():
            np.testing.assert_array_equal(texture, again.textures[name])


@pytest.mark.parametrize("style", ["bob", "afro"])
def test_silhouette_is_the_photo_s(style):
    """The photo's own view of the avatar, down to the chin: intersection over union with the person's matte."""
    portrait, likeness = synthetic_person(IDENTITIES["woman"], style)
    avatar = groom(portrait, likeness, GroomConfig(hair="photo", outfit="none"))
    seen = _opaque(avatar, likeness.camera)
    rows = np.arange(len(seen)) < portrait.landmarks[152, 1]
    here, there = seen[rows], portrait.person[rows] > 0.5
    assert (here & there).sum() / (here | there).sum() >= 0.93


def _opaque(avatar: Avatar, camera) -> np.ndarray:
    """Pixels that show the avatar, with the hair's holes left open."""
    from digitalme.rendering.studio import Studio

    flat = Studio(avatar).picture(camera, {}, background=(255, 0, 255))
    return np.abs(flat.astype(int) - (255, 0, 255)).sum(2) > 60


def test_colours_come_from_the_photo(studio_avatar, moe_avatar):
    for avatar in (studio_avatar, moe_avatar):
        shirt = np.array(avatar.mesh("tshirt").material.base_color[:3])
        assert shirt[0] > 2 * max(shirt[1:]) if avatar is studio_avatar else shirt[0] > max(shirt[1:])
    np.testing.assert_allclose(studio_avatar.mesh("tshirt").material.base_color[:3], CLOTH, atol=0.02)
    alpha = studio_avatar.textures["hair"][..., 3] > 200
    np.testing.assert_allclose(np.median(studio_avatar.textures["hair"][alpha][:, :3], 0) / 255, HAIR, atol=0.08)
    assert studio_avatar.about["iris"] == pytest.approx(IRIS, abs=1e-3)


@pytest.mark.parametrize("style", ["long", "bald"])
def test_the_asked_hair_is_worn(person, style):
    avatar = groom(*person, GroomConfig(hair=style))
    assert_whole(avatar)
    assert avatar.about["hair_style"] == style
    assert any(mesh.material.kind == "hair" for mesh in avatar.meshes) == (style != "bald")


@pytest.mark.parametrize("outfit", ["tshirt", "dress", "none"])
def test_clothes_cover_the_chest_and_skin_under_them_is_gone(person, outfit):
    avatar = groom(*person, GroomConfig(outfit=outfit, hair="bald"))
    assert_whole(avatar)
    camera = person[1].camera
    seen = seen_meshes(avatar, {}, camera)
    names = [mesh.name for mesh in avatar.meshes]
    chin = int(person[0].landmarks[152, 1])
    chest = seen[chin + 140 :, seen.shape[1] // 2 - 40 : seen.shape[1] // 2 + 40]
    bare = (chest == names.index("body")).mean()
    assert bare > 0.99 if outfit == "none" else bare < 0.01
    full = len(base_avatar({}).mesh("body").faces)
    assert (len(avatar.mesh("body").faces) < 0.85 * full) == (outfit != "none")


def test_glasses_are_worn_when_recognised():
    portrait, likeness = synthetic_person({}, "short", traits={"glasses": 0.9})
    avatar = groom(portrait, likeness, GroomConfig(hair="bald"))
    assert_whole(avatar)
    glasses = avatar.mesh("glasses")
    eyes = np.stack([avatar.mesh(f"eye_{side}").positions.mean(0) for side in ("left", "right")])
    low, high = glasses.positions.min(0), glasses.positions.max(0)
    assert ((low[:2] < eyes[:, :2]) & (eyes[:, :2] < high[:2])).all()
    front = np.abs(glasses.positions[:, 0]) < 0.05
    assert glasses.positions[front, 2].min() > eyes[:, 2].max()  # before the eyes


def test_a_drawn_character_keeps_the_glasses():
    portrait, likeness = synthetic_person({}, "short", traits={"glasses": 0.9})
    avatar = groom(portrait, likeness, GroomConfig(look="moe"))
    assert_whole(avatar)
    eyes = np.stack([avatar.mesh(f"eye_{side}").positions.mean(0) for side in ("left", "right")])
    places = avatar.mesh("glasses").positions
    assert ((places.min(0)[:2] < eyes[:, :2]) & (eyes[:, :2] < places.max(0)[:2])).all()
    assert avatar.mesh("glasses").material.texture in avatar.textures


def moe_vertices(shape):
    return moe.moe_avatar(shape, moe.MoeColors(HAIR, HAIR, IRIS, HAIR), moe.MoeStyle())[1]


def test_two_people_stay_two_people():
    """Drawn faces of different identities differ by more than a millimetre on the face, and in their colours."""
    faces = []
    for name in ("plain", "wide mouth"):
        faces.append(moe_vertices(IDENTITIES[name]))
    assert np.linalg.norm(faces[0] - faces[1], axis=1).mean() > 0.001


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (GroomConfig(hair="mohawk"), "hair: expected one of auto, photo, short"),
        (GroomConfig(outfit="armour"), "outfit: expected one of tshirt"),
        (GroomConfig(look="oil"), "look: expected one of studio, photo, moe; got 'oil'"),
        (GroomConfig(intensity=2.0), "expected intensity in 0..1"),
    ],
)
def test_wrong_knobs_are_told(person, config, message):
    with pytest.raises(InputError, match=message):
        groom(*person, config)
