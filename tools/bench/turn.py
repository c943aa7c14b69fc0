"""How near the fitted head comes to the true one for 1, 3 and 9 photos of a turn and for a video: mm, by region.

    python tools/bench/turn.py people FOLDER --people 20 --first 300   # draws, builds, measures; goes on where it was
    python tools/bench/turn.py table FOLDER
    python tools/bench/turn.py spoilers FOLDER PERSON STRANGER
    python tools/bench/turn.py budget

Synthetic people with hair (two in five with a fringe over the forehead) go through the stages that a build runs:
encode_photos or pick_frames, choose_portrait, reconstruct or reconstruct_together, groom. They are not drawn as the fit
assumes (tests/turns.py says how they differ). Distances after the similarity that best aligns the faces; "profile
curve" along the normal of the middle line, so that sliding along it does not count. The avatar's profile is drawn
beside the person's, which no build saw: descriptor distance (mean of both sides, with hair and without), overlap of
the silhouettes. Every picture and figure is kept in FOLDER/PERSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import tyro

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from digitalme.artifacts import Album, Avatar, Camera, Footage, Likeness, Photo, Photos  # noqa: E402
from digitalme.body.landmarks import landmark_points  # noqa: E402
from digitalme.body.model import load_body  # noqa: E402
from digitalme.imaging.video import encode_mp4  # noqa: E402
from digitalme.metrics.likeness import face_descriptor, overlap, silhouette  # noqa: E402
from digitalme.rendering.refine import fit_together  # noqa: E402
from digitalme.rendering.studio import Studio  # noqa: E402
from digitalme.stages.choose_portrait import choose_portrait  # noqa: E402
from digitalme.stages.encode_photos import encode_photos  # noqa: E402
from digitalme.stages.groom import GroomConfig, groom  # noqa: E402
from digitalme.stages.pick_frames import PickFramesConfig, pick_frames  # noqa: E402
from digitalme.stages.reconstruct import ReconstructConfig, reconstruct  # noqa: E402
from digitalme.stages.reconstruct_together import ReconstructTogetherConfig, reconstruct_together  # noqa: E402
from tests.turns import (  # noqa: E402
    Sitter,
    camera_at,
    drawn,
    errors_by_region,
    face_similarity,
    lamps,
    nine_photos,
    photo_of,
    room,
    sitter,
    turning,
)

SIZE = (900, 1100)
PROFILE_SIZE = (450, 550)
PROFILES = np.radians([-80, 80])
SETS = ("1 photo", "9 photos", "video", "3 photos")
BUILT = ("1 photo", "9 photos", "video")
"""Of these the avatar is made and looked at; of the others only the head."""
TEXTURE = 1024


def write_picture(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), picture[..., ::-1])


def draw_photos(person: Sitter, folder: Path) -> None:
    for place, (picture, _) in enumerate(nine_photos(person, size=SIZE)):
        write_picture(folder / f"{place}.png", picture)
    (folder / "drawn").touch()


def draw_video(person: Sitter, folder: Path) -> None:
    film(person, folder / "half.mp4")
    (folder / "half.mp4").rename(folder / "turn.mp4")


def film(person: Sitter, path: Path, repeat: int = 1, count: int = 30, rate: float = 12.5) -> None:
    frames = (picture for picture, _ in turning(person, count))
    pictures = (picture for picture in frames for _ in range(repeat))
    encode_mp4(path, pictures, rate, (1280, 720), np.zeros(48000, np.float32), 48000)


def album_of(folder: Path, name: str) -> Album:
    if name == "video":
        return pick_frames(Footage(folder / "turn.mp4", "turn.mp4"), PickFramesConfig())
    count = int(name.split()[0])
    files = tuple(Photo((folder / f"{k}.png").read_bytes(), f"{k}.png") for k in range(count))
    return encode_photos(Photos(files))


def built(album: Album) -> Likeness:
    portrait = choose_portrait(album)
    if len(album.portraits) == 1:
        return reconstruct(portrait, ReconstructConfig(texture_size=TEXTURE))
    return reconstruct_together(portrait, album, ReconstructTogetherConfig(texture_size=TEXTURE))


def fitted_vertices(likeness: Likeness) -> np.ndarray:
    """The neutral head as fitted, without what was laid onto the first photo's landmarks."""
    vertices = load_body().vertices(likeness.shape)
    return vertices if likeness.relief is None else vertices + likeness.relief


def profile_cameras(person: Sitter) -> list[Camera]:
    rng = np.random.default_rng(7000 + person.seed)
    return [camera_at(float(yaw), rng, *PROFILE_SIZE, 1.5 * max(PROFILE_SIZE)) for yaw in PROFILES]


def onto_found(camera: Camera, found: np.ndarray, true: np.ndarray) -> Camera:
    """A camera that sees the true head, moved to where it sees the found one alike."""
    scale, turn, move = face_similarity(found, true)
    pose = camera.camera_from_world
    moved = np.column_stack([pose[:, :3] @ turn, (pose[:, :3] @ move + pose[:, 3]) / scale])
    return replace(camera, camera_from_world=moved)


def bald(avatar: Avatar) -> Avatar:
    return replace(avatar, meshes=tuple(mesh for mesh in avatar.meshes if mesh.material.kind != "hair"))


def looked_at(person: Sitter, subject: Avatar, cameras: list[Camera]) -> list[np.ndarray]:
    """A subject's profiles in the person's light before the person's wall."""
    who = replace(person, studio=Studio(subject))
    pictures = []
    for camera, true_camera in zip(cameras, profile_cameras(person), strict=True):
        rng = np.random.default_rng(7100 + person.seed)
        wall, light = room(*PROFILE_SIZE, rng), lamps(rng, true_camera)
        pictures.append(drawn(who, camera, {}, wall, light))
    return pictures


def marks_in(camera: Camera, vertices: np.ndarray) -> np.ndarray:
    seen = camera.project(landmark_points(vertices))
    return np.concatenate([seen, np.zeros((10, 3))])


def fitted(person: Sitter, folder: Path, name: str) -> dict:
    """Errors of the head that a set of pictures gives; the likeness is kept where the avatar is wanted."""
    album = album_of(folder, name)
    about = {"pictures": len(album.portraits), "left_out": album.left_out}
    if name not in BUILT:
        centers = [shown.center_px for shown in album.shown]
        head = fit_together(list(album.portraits), centers)[0]
        return about | {"mm": errors_by_region(head.vertices(False, False), person.vertices)}
    start = time.process_time()
    likeness = built(album)
    about["seconds"] = time.process_time() - start
    for kept, artifact in (("album", album), ("likeness", likeness)):
        (folder / f"{name} {kept}").mkdir(exist_ok=True)
        artifact.save(folder / f"{name} {kept}")
    return about | {"mm": errors_by_region(fitted_vertices(likeness), person.vertices)}


def seen_from_aside(person: Sitter, folder: Path) -> dict:
    """For each set of pictures what the avatar's profiles lack of the person's."""
    true, cameras = person.vertices, profile_cameras(person)
    subjects = {"hair": person.studio.avatar, "bald": bald(person.studio.avatar)}
    wanted = {kind: looked_at(person, subject, cameras) for kind, subject in subjects.items()}
    marks = [marks_in(camera, true) for camera in cameras]
    outlines = [silhouette(person.studio.avatar, camera, {}) for camera in cameras]
    rows, about = [np.concatenate(wanted["hair"], 1)], {}
    for name in BUILT:
        album, likeness = Album.load(folder / f"{name} album"), Likeness.load(folder / f"{name} likeness")
        several = album if len(album.portraits) > 1 else None
        avatar = groom(choose_portrait(album), likeness, GroomConfig(), album=several)
        vertices = fitted_vertices(likeness)
        there = [onto_found(camera, vertices, true) for camera in cameras]
        figures = {}
        for kind, subject in {"hair": avatar, "bald": bald(avatar)}.items():
            pictures = looked_at(person, subject, there)
            figures[kind] = float(np.mean([
                np.linalg.norm(face_descriptor(seen, marks_in(at, vertices)) - face_descriptor(right, spots))
                for seen, at, right, spots in zip(pictures, there, wanted[kind], marks, strict=True)
            ]))  # fmt: skip
            if kind == "hair":
                rows.append(np.concatenate(pictures, 1))
        shapes = [silhouette(avatar, camera, {}) for camera in there]
        heads = [head_only(spots, shape.shape) for spots, shape in zip(marks, shapes, strict=True)]
        figures["silhouette"] = float(
            np.mean([overlap(a & h, b & h) for a, b, h in zip(shapes, outlines, heads, strict=True)])
        )
        about[name] = figures
    write_picture(folder / "profiles.png", np.concatenate(rows, 1))
    return about


def head_only(spots: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What lies above the chin: shoulders and clothes are no likeness."""
    return (np.arange(shape[0])[:, None] < spots[152, 1]) & np.ones(shape, bool)


def people(
    folder: tyro.conf.Positional[Path], people: int = 20, first: int = 300, looks: bool = True, steps: int = 0
) -> None:
    """Draw, build and measure people; what is there already is not made again.

    Args:
        folder: Where pictures and figures go.
        people: How many.
        first: Number of the first one.
        looks: Whether the avatars' profiles are compared too.
        steps: Stop after so many steps, each of some 10 s of processor time; 0: when all is done.
    """
    left = steps or 10**9
    for seed in range(first, first + people):
        own = folder / str(seed)
        own.mkdir(parents=True, exist_ok=True)
        figures = own / "figures.json"
        about = json.loads(figures.read_text()) if figures.is_file() else {}
        wanted = [name for name in SETS if name not in about]
        if not wanted and (not looks or "aside" in about):
            continue
        person = sitter(seed)
        about.setdefault("mean face", {"mm": errors_by_region(load_body().template.astype(float), person.vertices)})
        for made, draw in ((own / "drawn", draw_photos), (own / "turn.mp4", draw_video)):
            if not made.is_file():
                draw(person, own)
                left -= 1
                if not left:
                    return
        for name in wanted:
            about[name] = fitted(person, own, name)
            figures.write_text(json.dumps(about, indent=1))
            left -= 1
            if not left:
                return
        if looks:
            about["aside"] = seen_from_aside(person, own)
            figures.write_text(json.dumps(about, indent=1))
            left -= 1
            if not left:
                return


def table(folder: tyro.conf.Positional[Path]) -> None:
    """Print what was measured of all people in a folder.

    Args:
        folder: As given to `people`.
    """
    figures = {int(f.parent.name): json.loads(f.read_text()) for f in sorted(folder.glob("*/figures.json"))}
    found = {seed: about for seed, about in figures.items() if all(name in about for name in SETS)}
    regions = list(next(iter(found.values()))["mean face"]["mm"])
    print(f"| mm, mean of {len(found)} people | {' | '.join(regions)} |\n|---|{'---|' * len(regions)}")
    for name in ("mean face", *SETS):
        means = [np.mean([about[name]["mm"][region] for about in found.values()]) for region in regions]
        print(f"| {name} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    for region in ("profile", "profile curve"):
        for name in SETS[1:]:
            pairs = [(about[name]["mm"][region], about["1 photo"]["mm"][region]) for about in found.values()]
            ratio = np.mean([a for a, _ in pairs]) / np.mean([b for _, b in pairs])
            each = [a / b for a, b in pairs]
            print(f"{region}, {name} / 1 photo: {ratio:.2f} (by person: median {np.median(each):.2f}, "
                  f"worst {max(each):.2f}, {sum(e < 1 for e in each)} of {len(each)} below 1)")  # fmt: skip
    aside = {seed: about["aside"] for seed, about in found.items() if "aside" in about}
    kinds = ("bald", "hair", "silhouette")
    print(f"\n| person | {' | '.join(f'{kind}: {name}' for kind in kinds for name in BUILT)} |")
    print(f"|---|{'---|' * (len(kinds) * len(BUILT))}")
    for seed, about in aside.items():
        print(f"| {seed} | {' | '.join(f'{about[name][kind]:.3f}' for kind in kinds for name in BUILT)} |")
    for kind in ("bald", "hair"):
        for name in BUILT[1:]:
            less = [about[name][kind] < about["1 photo"][kind] for about in aside.values()]
            print(f"profile's descriptor distance, {kind}: {name} below 1 photo: {sum(less)} of {len(less)} people")


def spoilers(
    folder: tyro.conf.Positional[Path], person: tyro.conf.Positional[int], stranger: tyro.conf.Positional[Path]
) -> None:
    """Nine photos of a person that `people` drew, one of them blurred by motion, one with a hand before the face, and a
    picture of someone else: what is left out, and the error with and without.

    Args:
        folder: As given to `people`.
        person: Number of the person.
        stranger: A picture of someone else.
    """
    true = sitter(person).vertices
    files = {f"{k}.png": cv2.imread(str(folder / str(person) / f"{k}.png"))[..., ::-1] for k in range(9)}

    def tried(pictures: dict[str, np.ndarray]) -> Album:
        album = encode_photos(Photos(tuple(photo_of(picture, name) for name, picture in pictures.items())))
        head = fit_together(list(album.portraits), [shown.center_px for shown in album.shown])[0]
        mm = errors_by_region(head.vertices(False, False), true)
        print(f"{len(album.portraits)} pictures used: {', '.join(f'{k} {v:.2f}' for k, v in mm.items())} mm")
        for name, why in album.left_out:
            print(f"  left out: {name}: {why}")
        return album

    album = tried(files)
    spoiled = dict(files) | {"stranger.png": cv2.imread(str(stranger))[..., ::-1]}
    places = {shown.name: place for place, shown in enumerate(album.shown)}
    spoiled["3.png"] = cv2.blur(files["3.png"], (41, 1))
    portrait = album.portraits[places["4.png"]]
    marks = portrait.landmarks[:, :2] * portrait.original_from_image[0, 0] + portrait.original_from_image[:, 2]
    unit, skin = np.linalg.norm(marks[10] - marks[152]), np.array(portrait.skin_color) * 255
    hand, palm = files["4.png"].copy(), marks[13] + [-0.2 * unit, 0.15 * unit]
    color = (skin * 0.85).tolist()
    cv2.circle(hand, np.round(palm).astype(int).tolist(), round(0.2 * unit), color, -1, cv2.LINE_AA)
    for finger in range(4):
        ends = (palm + [dx * unit, (finger - 1.5) * 0.1 * unit] for dx in (0.05, 0.45))
        spots = [np.round(end).astype(int).tolist() for end in ends]
        cv2.line(hand, *spots, color, round(0.085 * unit), cv2.LINE_AA)
    spoiled["4.png"] = hand
    tried(spoiled)


def budget(person: int = 0) -> None:
    """Build a 10 s video of 1280 x 720 in a process of its own; tell seconds and memory.

    Args:
        person: Number of the person in the video.
    """
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "turn.mp4"
        film(sitter(person), video, repeat=5, count=50, rate=25.0)
        command = [sys.executable, "-m", "digitalme.cli", "build", "--video", str(video), "--out", f"{folder}/me"]
        environment = {**os.environ, "DIGITALME_STORE": f"{folder}/store", "PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        subprocess.run([*command, "--quiet", "--until", "exports"], check=True, env=environment, cwd=ROOT)
        wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"\n10 s of 1280 x 720 to avatar.glb: {wall:.0f} s wall, {used.ru_utime + used.ru_stime:.0f} s of "
            f"processor time, peak {used.ru_maxrss / 1e3:.0f} MB; load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"people": people, "table": table, "spoilers": spoilers, "budget": budget})
