"""The photo look: the photo comes back at rest, lips and lids close, nothing behind the person moves, no holes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pytest

from digitalme.body import landmarks as lm
from digitalme.body.model import load_body
from digitalme.body.visemes import arkit_weights
from digitalme.rendering.puppet import PhotoPuppet, layers
from digitalme.rendering.puppet.pictures import filled, grown, shrunk
from digitalme.rendering.puppet.raster import draw_triangles
from digitalme.spaces import rotation_from_euler
from tests.body.people import synthetic_person

SIZE = 256
BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}


@pytest.fixture(scope="module")
def puppet(astronaut, astronaut_likeness):
    return PhotoPuppet(astronaut, astronaut_likeness, SIZE)


@pytest.fixture(scope="module")
def photo(puppet):
    return cv2.resize(puppet.view.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def painted(puppet, colors, wall=(0, 0, 0)):
    """The puppet with some layers in one colour each, the wall in another and everything else in black: who is seen
    where."""
    twin = object.__new__(PhotoPuppet)
    twin.__dict__.update(puppet.__dict__)
    twin.layers, twin._behind, twin._still = [], 0 * puppet._behind + np.float32(wall), 0 * puppet._still
    for posable in puppet.layers:
        texture = posable.layer.texture.copy()
        texture[..., :3] = colors.get(posable.layer.name, (0, 0, 0))
        layer = replace(posable.layer, texture=texture)
        twin.layers.append(replace(posable, layer=layer, shade=np.ones_like(posable.shade)))
    return twin


def test_no_weights_give_the_photo_back(puppet, photo):
    frame = puppet.frame({})
    face = cv2.resize(puppet.view.oval.astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    assert psnr(frame, photo) >= 30
    assert psnr(frame[face], photo[face]) >= 30


def test_nothing_far_from_the_person_moves(puppet):
    moved = [puppet.frame({"jawOpen": 1.0, **BLINK}, np.deg2rad(head)) for head in product((-8, 8), (-15, 15), (-5, 5))]
    rest = puppet.frame({})
    view = puppet.view
    far = ~grown(view.is_person, 0.15 * view.face_height)
    far = cv2.resize(far.astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    chest = cv2.resize(view.height, (SIZE, SIZE)) < -1.0
    assert far.sum() > 0.05 * SIZE**2
    assert chest.sum() > 0.02 * SIZE**2
    for frame in moved:
        np.testing.assert_array_equal(frame[far | chest], rest[far | chest])


def inner_lips(puppet, vector):
    """Heights of the inner lip landmarks above their partners (9,), as parts of the distance of the eyes' corners."""
    body = load_body()
    names = body.names("action")
    moved = np.tensordot(vector[: len(names)], body.displacements(names), 1)
    moved += np.tensordot(vector[len(names) :], puppet.seal.shapes, 1)
    points = lm.landmark_points(puppet.view.vertices + moved)
    span = np.linalg.norm(points[lm.EYE_CORNERS[0]] - points[lm.EYE_CORNERS[3]])
    return (points[list(lm.LIP_INNER_UPPER), 1] - points[list(lm.LIP_INNER_LOWER), 1]) / span


@pytest.mark.parametrize("speaking", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("jaw", [0.03, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("other", [{}, {"mouthSmileLeft": 0.4, "mouthSmileRight": 0.4}, {"mouthPucker": 0.5}])
def test_sealed_lips_are_shut_whatever_the_jaw_and_the_smile_do(puppet, speaking, jaw, other):
    gap = inner_lips(puppet, puppet.solved({"jawOpen": jaw, "mouthClose": jaw, **other}, speaking))
    assert gap.mean() <= 0.03
    assert gap.max() <= 0.03
    assert gap.min() >= -0.06  # pressed, not through each other


def test_the_photo_of_the_test_shows_parted_lips(puppet):
    """Else the closure tests above would test nothing."""
    assert inner_lips(puppet, puppet.solved({}, 0.0)).mean() > 0.05


def test_sealed_lips_show_nothing_of_the_mouth(puppet):
    inside = dict.fromkeys(("cavity", "tongue", "teeth_upper", "teeth_lower"), (0, 255, 0))
    marked = painted(puppet, inside)
    open_mouth = (marked.frame({"jawOpen": 0.4}, speaking=1.0)[..., 1] > 200).sum()
    sealed = (marked.frame(arkit_weights("PP"), speaking=1.0)[..., 1] > 128).sum()
    assert open_mouth > 100
    assert sealed <= 0.03 * open_mouth


def test_a_blink_hides_the_eyes(puppet):
    marked = painted(puppet, {"eyes": (0, 255, 0)})
    green = [
        (marked.frame({name: b for name in BLINK})[..., 1] > 128).sum() for b in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    assert green[0] > 60
    assert green[0] > green[1] > green[2]
    assert green[2] == 0


def test_no_holes_when_the_head_turns_and_the_jaw_drops(puppet):
    """With everything behind the person painted green, no green shows within the hull of the face."""
    marked, face = painted(puppet, {}, wall=(0, 255, 0)), painted(puppet, {"face": (0, 0, 255)})
    for yaw, jaw in product((-15, 0, 15), (0.0, 1.0)):
        pose = {"jawOpen": jaw}, np.deg2rad([0, yaw, 0])
        hull = cv2.convexHull(cv2.findNonZero((face.frame(*pose, speaking=1.0)[..., 2] > 128).astype(np.uint8)))
        inside = cv2.fillConvexPoly(np.zeros((SIZE, SIZE), np.uint8), hull, 1) > 0
        x0, y0, x1, y1 = marked._region
        green = np.zeros((SIZE, SIZE), bool)
        green[y0:y1, x0:x1] = marked.frame(*pose, speaking=1.0)[y0:y1, x0:x1, 1] > 100
        assert (green & shrunk(inside, 3)).sum() <= 2, (yaw, jaw)


def test_gaze_moves_the_irises_and_little_else(puppet):
    rest = puppet.frame({}).astype(int)
    look = puppet.frame({"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5}).astype(int)
    changed = np.abs(look - rest).max(2) > 12
    eyes = cv2.resize(grown(puppet.view.eyes, 8).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    assert changed[eyes].sum() > 15
    assert changed[~eyes].sum() <= 0.2 * changed[eyes].sum()


def test_frames_do_not_depend_on_threads_or_on_what_was_drawn_before(puppet, astronaut, astronaut_likeness):
    times = [({"jawOpen": 0.1 * i, "mouthPucker": 0.05 * i}, np.deg2rad([i, -2 * i, i])) for i in range(6)]
    alone = [puppet.frame(*t) for t in times]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda t: puppet.frame(*t), reversed(times)))[::-1]
    again = PhotoPuppet(astronaut, astronaut_likeness, SIZE).frame(*times[3])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(alone[3], again)


# ---- a head that is turned in its photo --------------------------------------------------------------------------

TURNED = 0.3
RIM = (255, 0, 255)


@pytest.fixture(scope="module", params=[TURNED, -TURNED])
def turned(request):
    """A head photographed 17 degrees from the side, as a puppet. On its far side, the outermost pixels of the photo's
    head are magenta. And the angle by which it is turned back so that this side is seen, degrees."""
    portrait, likeness = synthetic_person({}, "buzz", yaw=request.param)
    image, person = portrait.image.copy(), portrait.person > 0.5
    eyes, chin = portrait.landmarks[[159, 386], 1].mean(), portrait.landmarks[lm.CHIN, 1]
    for row in range(int(eyes), int(chin - 0.25 * (chin - eyes))):
        columns = np.flatnonzero(person[row])
        image[row, columns[:5] if request.param > 0 else columns[-5:]] = RIM
    puppet = PhotoPuppet(replace(portrait, image=image), likeness, SIZE)
    return puppet, 15 * np.sign(request.param)


def magenta(frame):
    return int(((frame[..., 0] > 180) & (frame[..., 1] < 90) & (frame[..., 2] > 180)).sum())


def test_what_the_photo_sees_at_a_slant_is_not_stretched_over_the_far_side(turned):
    puppet, back = turned
    rest = magenta(puppet.frame({}))
    assert rest > 60
    for part in (0.5, 1.0):
        assert magenta(puppet.frame({}, np.deg2rad([0, part * back, 0]))) < 0.5 * rest
    bare = object.__new__(PhotoPuppet)  # the control: without the mirrored side
    bare.__dict__.update(puppet.__dict__)
    bare.layers = [
        replace(p, layer=replace(p.layer, hidden_by=None)) for p in puppet.layers if p.layer.shown_by is None
    ]
    assert magenta(bare.frame({}, np.deg2rad([0, back, 0]))) > 1.3 * rest


def test_a_turned_head_at_rest_is_its_photo(turned):
    puppet, _ = turned
    photo = cv2.resize(puppet.view.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert psnr(puppet.frame({}), photo) >= 30


def test_the_mouth_s_inside_is_seen_between_the_lips_only(turned):
    """Turned back, the mouth's cavity must not look out under a jaw whose lower side the photo does not show."""
    puppet, _ = turned
    inside = painted(puppet, dict.fromkeys(("cavity", "tongue", "teeth_upper", "teeth_lower"), (0, 255, 0)))
    through = painted(puppet, {"neck": (0, 255, 0)}, wall=(0, 255, 0))  # what is behind the head, and the neck
    for yaw, jaw in product((-15, 0, 15), (0.0, 1.0)):
        pose = {"jawOpen": jaw}, np.deg2rad([0, yaw, 0])
        green = inside.frame(*pose, speaking=1.0)[..., 1] > 60
        vector = puppet.solved(pose[0], 1.0)
        face = next(p for p in puppet.layers if p.layer.name == "face")
        lips = puppet._posed(face, vector, rotation_from_euler(*pose[1]))[puppet._lips, :2]
        hull = cv2.fillConvexPoly(np.zeros(green.shape, np.uint8), cv2.convexHull(np.round(lips).astype(np.int32)), 1)
        assert (green & ~grown(hull > 0, 2)).sum() <= 2, (yaw, jaw)
        assert jaw == 0 or (green & (hull > 0)).sum() > 100
        assert ((through.frame(*pose, speaking=1.0)[..., 1] > 100) & shrunk(hull > 0, 1)).sum() == 0


def test_static_background_stays_within_a_level(turned):
    puppet, _ = turned
    rest = puppet.frame({}).astype(int)
    reach = 0
    for yaw, jaw in product((-15, -7, 7, 15), (0.0, 1.0)):
        frame = puppet.frame({"jawOpen": jaw}, np.deg2rad([0, yaw, 0]), speaking=1.0).astype(int)
        reach = np.maximum(reach, np.abs(frame - rest).max(2))
    view = puppet.view
    far = ~grown(view.is_person, 0.15 * view.face_height)
    far = cv2.resize(far.astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    assert far.sum() > 0.05 * SIZE**2
    assert reach[far].max() < 1


def test_a_pattern_goes_on_behind_the_head(turned):
    """Bars across the wall, completed where the head was: beside its sides they go on."""
    view = turned[0].view
    rows = np.arange(len(view.image))[:, None, None]
    bars = np.broadcast_to(np.where(rows % 96 < 48, 200.0, 60.0), view.image.shape)
    photo = np.where(view.is_person[..., None], view.image, bars).astype(np.uint8)
    head = grown(view.is_person, 2)
    done = layers.background(replace(view, image=photo), head.astype(np.float32)).astype(float)
    near = shrunk(head, 0.03 * view.face_height) & ~shrunk(head, 0.10 * view.face_height)
    near &= np.abs(view.height - 0.1) < 0.2
    smooth = filled(photo, (~grown(head, 0.013 * view.face_height)).astype(np.float32), 0.5)
    errors = [np.abs(picture - bars)[near].mean() for picture in (done, smooth)]
    assert errors[0] < 0.6 * errors[1], errors


# ---- drawing and picture operations ------------------------------------------------------------------------------


def draw(corners, faces, alpha=255, color=(200, 100, 50), size=16):
    canvas, depth = np.zeros((size, size, 3), np.float32), np.full((size, size), np.inf, np.float32)
    texture = np.broadcast_to(np.uint8([*color, alpha]), (2, 2, 4)).copy()
    corners = np.asarray(corners, np.float32)
    ones = np.ones(len(corners), np.float32)
    draw_triangles(
        corners, np.asarray(faces, np.int32), np.ones((len(corners), 2), np.float32), ones, texture, 1.0, 0.0,
        canvas, depth, 0.0, 0.0, 1,
    )  # fmt: skip
    return canvas


def test_triangles_that_share_edges_cover_each_sample_once():
    """A fan about any point, at half opacity: a sample hit twice would be brighter, one missed black."""
    random = np.random.default_rng(0)
    for _ in range(50):
        middle = random.uniform(3, 13, 2)
        corners = [[0, 0, 1], [16, 0, 1], [16, 16, 1], [0, 16, 1], [*middle, 1]]
        # equal depth would hide a second hit, so the later triangles are nearer
        canvas, depth = np.zeros((16, 16, 3), np.float32), np.full((16, 16), np.inf, np.float32)
        texture = np.full((2, 2, 4), 128, np.uint8)
        for i, face in enumerate([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]):
            points = np.array(corners, np.float32) * [1, 1, 1 - 0.1 * i]
            draw_triangles(
                points.astype(np.float32), np.array([face], np.int32), np.ones((5, 2), np.float32),
                np.ones(5, np.float32), texture, 1.0, 0.0, canvas, depth, 0.0, 0.0, 1,
            )  # fmt: skip
        np.testing.assert_allclose(canvas, 128 * 128 / 255, rtol=1e-4)


def test_a_triangle_covers_the_samples_inside_it():
    corners = np.array([[2.3, 1.7, 1], [14.2, 5.1, 1], [5.6, 13.9, 1]])
    seen = draw(corners, [[0, 1, 2]])[..., 0] > 0
    y, x = np.mgrid[:16, :16] + 0.5
    inside = np.ones((16, 16), bool)
    for (ax, ay, _), (bx, by, _) in zip(corners, np.roll(corners, -1, 0), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0
    assert (seen ^ inside).sum() <= 1  # corners are snapped to 1/64 sample


def test_the_nearer_surface_wins_in_any_order():
    near, far = [[0, 0, 1], [16, 0, 1], [0, 16, 1]], [[0, 0, 2], [16, 0, 2], [0, 16, 2]]
    for order in ((near, far), (far, near)):
        canvas, depth = np.zeros((16, 16, 3), np.float32), np.full((16, 16), np.inf, np.float32)
        for points in order:
            texture = np.full((2, 2, 4), 255 if points is near else 90, np.uint8)
            texture[..., 3] = 255
            draw_triangles(
                np.array(points, np.float32), np.array([[0, 1, 2]], np.int32), np.ones((3, 2), np.float32),
                np.ones(3, np.float32), texture, 1.0, 0.0, canvas, depth, 0.0, 0.0, 1,
            )  # fmt: skip
        assert canvas[2, 2, 0] == 255


def test_what_shows_through_hides_nothing_behind_it():
    """A faint triangle, drawn first: what is drawn later behind it covers the wall that is seen through it."""
    corners = np.array([[0, 0, 1.0], [40, 0, 1.0], [0, 40, 1.0]], np.float32)
    faces, uvs, ones = np.array([[0, 1, 2]], np.int32), np.ones((3, 2), np.float32), np.ones(3, np.float32)
    faint, solid = np.full((2, 2, 4), (255, 0, 0, 100), np.uint8), np.full((2, 2, 4), (0, 0, 255, 255), np.uint8)
    seen = {}
    for limit in (0.02, 0.95):
        color, depth = np.full((8, 8, 3), (0, 255, 0), np.float32), np.full((8, 8), np.inf, np.float32)
        draw_triangles(corners, faces, uvs, ones, faint, 1.0, 0.0, color, depth, 0.0, 0.0, 1, limit)
        behind = corners + np.float32([0, 0, 0.5])
        draw_triangles(behind, faces, uvs, ones, solid, 1.0, 0.0, color, depth, 0.0, 0.0, 1)
        seen[limit] = color[3, 3]
    np.testing.assert_allclose(seen[0.95], (0, 0, 255))
    assert seen[0.02][1] > 100


def test_fill_keeps_what_is_known_and_continues_it():
    picture = np.zeros((64, 64, 3), np.float32) + [10.0, 120.0, 240.0]
    known = np.ones((64, 64), np.float32)
    known[20:44, 20:44] = 0
    holed = picture * known[..., None]
    np.testing.assert_allclose(filled(holed, known), picture, atol=0.5)


@pytest.mark.parametrize("radius", [1, 5, 17])
def test_growing_and_shrinking_are_distances(radius):
    mask = np.zeros((81, 81), bool)
    mask[40, 40] = True
    y, x = np.mgrid[-40:41, -40:41]
    disc = np.hypot(x, y) <= radius
    assert (grown(mask, radius) ^ disc).mean() < 0.01
    assert shrunk(disc, radius + 1).sum() == 0


def test_a_grin_closes_in_a_pause(astronaut, astronaut_likeness):
    puppet = PhotoPuppet(astronaut, astronaut_likeness, 128)
    gap = [puppet.seal.middle_gap(puppet.solved({}, 1.0, rest)) for rest in (0.0, 0.5, 1.0)]
    assert gap[0] > 0.003 > gap[1] > gap[2]
    assert abs(gap[2]) < 0.001


def test_no_o_or_u_is_said_through_a_grin(puppet):
    def smiles(weights, speaking=1.0):
        return puppet.solved(weights, speaking)[puppet.names["mouthSmileLeft"]]

    grin = puppet._spread["mouthSmileLeft"]
    assert grin > 0.1
    assert smiles({}, 0.0) == 0
    assert smiles({}) == pytest.approx(-0.45 * grin)
    assert smiles({"mouthPucker": 0.4, "mouthFunnel": 0.2}) == pytest.approx(-grin)
    assert smiles({"mouthPucker": 0.4, "mouthFunnel": 0.2}, 0.0) == 0
