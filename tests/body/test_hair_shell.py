"""The hair shell on synthetic people: it closes at the equator, and long hair fills the photo's outline."""

from dataclasses import replace

import numpy as np
import pytest

from digitalme.artifacts import Avatar
from digitalme.body.hair_shell import fit_shell, settle_ears, shell_meshes
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth
from digitalme.body.scalp import build_scalp
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler
from tests.body.people import bare_avatar, seen_meshes, synthetic_person


@pytest.fixture(scope="module")
def long_haired():
    portrait, likeness = synthetic_person({"gender-": 0.5}, style="long")
    model = load_body()
    scalp = build_scalp(settle_mouth(model.vertices(likeness.shape), model), model)
    return portrait, likeness, fit_shell(portrait, likeness.camera, scalp)


def test_shell_has_no_step_at_the_equator(long_haired):
    shell = long_haired[2]
    turn = np.linspace(0, 2 * np.pi, 97)
    above, below = (shell.points(turn, np.full(97, shell.skull_share + d)) for d in (-1e-4, 1e-4))
    assert np.linalg.norm(above - below, axis=1).max() < 0.002


def test_shell_closes_around(long_haired):
    shell = long_haired[2]
    v = np.linspace(0.01, 0.99, 40)
    np.testing.assert_allclose(shell.points(np.zeros(40), v), shell.points(np.full(40, 2 * np.pi), v), atol=1e-9)


def test_long_hair_fills_the_outline(long_haired):
    """Hair beside and below the face that the photo shows is there, seen by the photo's camera."""
    portrait, likeness, shell = long_haired
    assert shell.drop > 0.15
    avatar = bare_avatar(likeness.shape)
    dressed = Avatar(avatar.name, avatar.skeleton, avatar.meshes + tuple(shell_meshes(shell)), avatar.textures)
    seen = seen_meshes(dressed, {}, likeness.camera)
    covered = seen >= 0
    wanted = portrait.person > 0.5
    above = np.arange(len(wanted))[:, None] < portrait.landmarks[152, 1] + 20
    both, either = (covered & wanted & above).sum(), ((covered | wanted) & above).sum()
    assert both / either > 0.9


def test_the_edge_is_blended_and_the_middle_is_not(long_haired):
    """Round the alpha's edge, and only there, the outer layer is drawn once more with soft transparency."""
    meshes = {mesh.name: mesh for mesh in shell_meshes(long_haired[2])}
    assert [mesh.material.alpha_mode for mesh in meshes.values()] == ["MASK", "MASK", "BLEND"]
    edge, hair = meshes["hair_edge"], meshes["hair"]
    assert 0 < len(edge.faces) < 0.5 * len(hair.faces)
    alpha = long_haired[2].texture[..., 3]
    size = np.array(alpha.shape[::-1])
    x, y = np.clip((edge.uvs[edge.faces].mean(1) * size).astype(int), 0, size - 1).T
    near = [alpha[max(0, b - 30) : b + 30, max(0, a - 30) : a + 30].min() for a, b in zip(x, y, strict=True)]
    assert np.mean(np.array(near) < 255) > 0.95


def test_an_ear_that_hair_hides_on_one_side_is_hidden_on_both(long_haired):
    """Of a turned head one ear is not seen at all: no hole is cut for it."""
    portrait, likeness, shell = long_haired
    model = load_body()
    vertices = settle_mouth(model.vertices(likeness.shape), model)
    half = np.zeros_like(portrait.hair)
    half[:, half.shape[1] // 2 :] = 1.0
    one_sided = replace(portrait, hair=portrait.hair * half, skin=portrait.skin * half)
    _, whole = settle_ears(vertices, shell, one_sided, likeness.camera, model)
    np.testing.assert_array_equal(whole.texture, shell.texture)


def test_pictures_from_the_sides_say_which_ear_hair_covers(long_haired):
    """No hole is cut on a side that a picture shows: it says itself where skin is bare."""
    portrait, likeness, shell = long_haired
    model = load_body()
    vertices = settle_mouth(model.vertices(likeness.shape), model)
    bare = replace(portrait, hair=np.zeros_like(portrait.hair), skin=np.ones_like(portrait.skin))
    elsewhere = portrait.landmarks + 1e4  # with hair on nose and mouth the mask would not be believed
    hairy = replace(portrait, hair=np.ones_like(portrait.hair), landmarks=elsewhere)

    def aside(picture, yaw):
        rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0, yaw, 0)
        pose = np.c_[rotation, [0, 0, 1.0] - rotation @ model.head_center]
        return picture, replace(likeness.camera, camera_from_world=pose)

    shell = replace(shell, thickness=np.full_like(shell.thickness, 0.002))

    def settled(*others):
        return settle_ears(vertices, shell, bare, likeness.camera, model, others)

    _, cut = settled()
    assert (cut.texture[..., 3] < shell.texture[..., 3]).any()
    kept, whole = settled(aside(bare, 1.0), aside(bare, -1.0))
    np.testing.assert_array_equal(whole.texture, shell.texture)
    np.testing.assert_array_equal(kept, vertices)
    tucked, whole = settled(aside(hairy, 1.0), aside(bare, -1.0))
    np.testing.assert_array_equal(whole.texture, shell.texture)
    moved = np.linalg.norm(tucked - vertices, axis=1) > 0
    assert moved.any()
    assert len(np.unique(np.sign(vertices[moved, 0]))) == 1


def test_an_ear_deep_under_thick_hair_is_covered(long_haired):
    """No tunnel is cut to it, though the photo's mask missed the hair there; through thin hair it is cut."""
    portrait, likeness, shell = long_haired
    model = load_body()
    vertices = settle_mouth(model.vertices(likeness.shape), model)
    bare = replace(portrait, hair=np.zeros_like(portrait.hair), skin=np.ones_like(portrait.skin))
    for thickness, cut in ((0.05, False), (0.002, True)):
        worn = replace(shell, thickness=np.full_like(shell.thickness, thickness))
        _, settled = settle_ears(vertices, worn, bare, likeness.camera, model)
        assert (settled.texture[..., 3] < worn.texture[..., 3]).any() == cut


def test_long_hair_falls_straight_behind_and_short_hair_lies_on_the_nape(long_haired):
    """Behind, long hair goes in by less than 3 cm down to the neck; short hair ends close to the skin."""
    shell = long_haired[2]
    v = np.linspace(0.5, 1.4, 40) * shell.skull_share
    behind = shell.points(np.full(40, np.pi), v) - shell.scalp.center
    away = np.hypot(behind[:, 0], behind[:, 2])
    assert (np.maximum.accumulate(away) - away).max() < 0.03
    short, cropped = synthetic_person({"gender+": 0.5}, style="buzz")
    model = load_body()
    scalp = build_scalp(settle_mouth(model.vertices(cropped.shape), model), model)
    nape = fit_shell(short, cropped.camera, scalp)
    assert nape.drop < 0.125
    end = nape.points(np.full(1, np.pi), np.full(1, 0.97))
    near = np.linalg.norm(scalp.skin_points - end, axis=1).min()  # their own distances are some 5 mm
    assert near < 0.008


def test_a_hats_back_is_plain_in_its_brims_colour(long_haired):
    portrait, likeness, shell = long_haired
    rows = np.indices(portrait.hair.shape)[0]
    up = rows < np.percentile(rows[portrait.hair > 0.5], 40)
    image = portrait.image.copy()
    image[(portrait.hair > 0.5) & up] = 240
    image[(portrait.hair > 0.5) & ~up] = (30, 40, 90)
    spread = {}
    for hat in (0.0, 1.0):
        worn = replace(portrait, image=image, traits=portrait.traits | {"hat": hat})
        texture = fit_shell(worn, likeness.camera, shell.scalp).texture
        back = texture[80:200, 340:430]
        spread[hat] = back[back[..., 3] > 200][:, :3].astype(float)
    assert np.abs(np.median(spread[1.0], 0) - [30, 40, 90]).max() < 20
    assert spread[1.0].std(0).max() < 0.5 * spread[0.0].std(0).max()


FELT, GREY = (22, 20, 25), (152, 146, 140)


def in_a_hat(portrait):
    """The person with felt down to the eyes' level, and grey hair below it."""
    rows = np.indices(portrait.hair.shape)[0]
    image = portrait.image.copy()
    image[portrait.hair > 0.5] = GREY
    image[(portrait.person > 0.5) & (rows < portrait.landmarks[[33, 263], 1].mean())] = FELT
    return replace(portrait, image=image, hair_color=tuple(np.array(GREY) / 255), traits=portrait.traits | {"hat": 1.0})


def test_below_a_hat_hair_goes_on_around_the_head(long_haired):
    portrait, likeness, bare = long_haired
    shell = fit_shell(in_a_hat(portrait), likeness.camera, bare.scalp)
    h, w = shell.texture.shape[:2]
    back = shell.texture[:, w // 2 - 8 : w // 2 + 8].mean(1)
    height = shell.points(np.full(h, np.pi), (np.arange(h) + 0.5) / h)[:, 1]
    eyes = portrait.landmarks[[33, 263], 1].mean()
    center = likeness.camera.project(bare.scalp.center)
    edge = bare.scalp.center[1] + (center[1] - eyes) * center[2] / likeness.camera.focal_px
    shown = back[:, 3] > 200
    above, below = (back[shown & (side * (height - edge) > 0.02)][:, :3] for side in (1, -1))
    assert min(len(above), len(below)) > 20
    assert np.abs(np.median(above, 0) - FELT).max() < 25
    assert np.abs(np.median(below, 0) - GREY).max() < 45


def test_below_a_hat_no_hair_hangs_before_free_ears(long_haired):
    portrait, likeness, bare = long_haired
    worn = in_a_hat(portrait)
    ears = portrait.landmarks[[234, 454], 1].mean()
    rows = np.indices(portrait.hair.shape)[0]
    free = replace(worn, hair=np.where(np.abs(rows - ears) < 25, 0, worn.hair).astype(np.float32))
    before = []
    for seen in (worn, free):
        shell = fit_shell(seen, likeness.camera, bare.scalp)
        h, w = shell.texture.shape[:2]
        azimuth, v = np.meshgrid((np.arange(w) + 0.5) / w * 2 * np.pi, (np.arange(h) + 0.5) / h)
        center = likeness.camera.project(bare.scalp.center)
        level = bare.scalp.center[1] + (center[1] - ears) * center[2] / likeness.camera.focal_px
        low = shell.points(azimuth, v)[..., 1] < level - 0.01
        side = np.abs((azimuth + np.pi) % (2 * np.pi) - np.pi)
        alpha = shell.texture[..., 3]
        before.append((alpha[low & (side < np.radians(80))] > 128).mean())
        assert (alpha[low & (side > np.radians(150))] > 128).mean() > 0.3
    assert before[0] > 0.1
    assert before[1] < 0.02


def test_hair_grows_out_of_the_forehead_s_skin(monkeypatch):
    """In front, the edge of short hair lies on the skull; the control, without rooting, stands off it."""
    portrait, likeness = synthetic_person({"gender+": 0.5}, style="short")
    model = load_body()
    scalp = build_scalp(settle_mouth(model.vertices(likeness.shape), model), model)

    def off():
        shell = fit_shell(portrait, likeness.camera, scalp)
        alpha = shell.texture[..., 3] > 128
        rows, columns = np.nonzero(alpha[:-1] & ~alpha[1:])
        turn, v = (columns + 0.5) / alpha.shape[1] * 2 * np.pi, (rows + 0.5) / alpha.shape[0]
        front = (np.abs((turn + np.pi) % (2 * np.pi) - np.pi) < np.radians(40)) & (v < shell.skull_share)
        azimuth, polar = scalp.angles(shell.points(turn[front], v[front]))
        return 1000 * scalp.sample(shell.thickness, azimuth, polar)

    rooted = off()
    assert np.median(rooted) < 2.5
    monkeypatch.setattr("digitalme.body.hair_shell._ROUNDS", 0)
    assert np.median(off()) > np.median(rooted) + 1.5


def test_hair_that_ends_at_the_temples_is_no_darker_behind_them():
    """Only the nape's last two centimetres are shaded, wherever the lowest hair is that the photo shows."""
    portrait, likeness = synthetic_person({"gender+": 0.5}, style="buzz")
    rows = np.indices(portrait.hair.shape)[0]
    receding = np.where(rows < portrait.landmarks[10, 1], portrait.hair, 0).astype(np.float32)
    model = load_body()
    scalp = build_scalp(settle_mouth(model.vertices(likeness.shape), model), model)
    texture = fit_shell(replace(portrait, hair=receding), likeness.camera, scalp).texture
    back = texture[:, 330:440].astype(float)
    hair = np.flatnonzero((back[..., 3] > 200).all(1))
    light = back[..., :3].mean((1, 2))
    assert light[hair[: -len(hair) // 3]].min() > 0.8 * light[hair].max()
