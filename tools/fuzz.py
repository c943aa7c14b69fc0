"""Damaged and hostile files by the ten thousand, for everything that reads a file somebody else may have written.

    python tools/fuzz.py --inputs 100000 --out fuzz.json      the nightly size
    python tools/fuzz.py --target glb --inputs 2000           one reader
    python tools/fuzz.py --target toml --atheris 60           guided by coverage, for 60 s (needs atheris)

Inputs are seeds (small valid files, made here) with bytes, numbers, keys and blocks changed; input i of a reader is
always the same. They are read in a process of its own that may hold so much memory and no more. What counts as wrong:
an exception that is none of ours, a dead process, an input that takes more than SECONDS of the processor (not of the
clock: another program's load is no hang), a file or a folder written outside, a process started, a connection made,
anything unpickled. With --out a run that was stopped goes on where it was when it is started again; what went wrong
before is then read again first, and counts as mended where it no longer does.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import itertools
import json
import os
import random
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

SECONDS = 10.0
"""An input hangs that takes the reading process more seconds of the processor."""
WAIT = 600.0
"""Seconds by the clock after which a reading process that says nothing sleeps for ever: a hang, too."""
MEMORY = 3 * 2**30
"""Address space of the reading process, bytes."""
FORBIDDEN = {"pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"}
WRITES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod",
          "shutil.move", "shutil.rmtree", "shutil.copyfile", "tempfile.mkstemp", "tempfile.mkdtemp"}  # fmt: skip


# ---------------------------------------------------------------- seeds


def pictures() -> list[bytes]:
    """64 x 64 pictures in the formats and colour modes that photos come in."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 4), np.uint8).repeat(8, 0).repeat(8, 1)
    rgba = Image.fromarray(pixels)
    rgb = rgba.convert("RGB")
    seeds = []
    exif = Image.Exif()
    exif[274], exif[0x8769] = 6, {0xA405: 28}
    for picture, kind, options in (
        (rgb, "JPEG", {"exif": exif}), (rgb, "JPEG", {"progressive": True}), (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}), (rgb, "PNG", {}), (rgba, "PNG", {"exif": exif}), (rgb.quantize(16), "PNG", {}),
        (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG", {}), (rgb, "WEBP", {}),
        (rgba, "WEBP", {"lossless": True}), (rgb, "GIF", {}), (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "BMP", {}), (rgb, "HEIF", {}),
    ):  # fmt: skip
        file = io.BytesIO()
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.register_heif_opener()
        picture.save(file, kind, **options)
        seeds.append(file.getvalue())
    return seeds


@functools.cache
def sounds() -> list[bytes]:
    """0.3 s of a tone in the formats that clips come in."""
    import av
    import numpy as np

    seeds = []
    tone = (np.sin(np.arange(14400) * 0.05) * 8000).astype(np.int16)[None]
    for kind, codec in (("wav", "pcm_s16le"), ("flac", "flac"), ("ogg", "libopus"), ("mp3", "mp3"), ("mp4", "aac")):
        file = io.BytesIO()
        with av.open(file, "w", format=kind) as out:
            stream = out.add_stream(codec, rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, 0
            resampler = av.AudioResampler(stream.format, "mono", 48000, stream.frame_size or None)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(stream.encode(part))
            out.mux(stream.encode())
        seeds.append(file.getvalue())
    return seeds


@functools.cache
def videos() -> list[bytes]:
    import av
    import numpy as np

    seeds = []
    for kind, codec in (("mp4", "libx264"), ("matroska", "libx264rgb"), ("webm", "libvpx")):
        file = io.BytesIO()
        with av.open(file, "w", format=kind) as out:
            stream = out.add_stream(codec, rate=25, options={"preset": "ultrafast"} if "x264" in codec else {})
            stream.width = stream.height = 64
            stream.pix_fmt = "rgb24" if codec.endswith("rgb") else "yuv420p"
            for step in range(6):
                picture = np.full((64, 64, 3), 40 * step, np.uint8)
                out.mux(
                    stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt))
                )
            out.mux(stream.encode())
        seeds.append(file.getvalue())
    return seeds


def small_avatar():
    """A skinned triangle pair with a texture, a morph and two joints."""
    import numpy as np

    from digitalme.artifacts.avatar import Avatar, AvatarMesh, Material, Morph, Skeleton

    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    bind = np.stack([np.eye(4, dtype=np.float32)] * 2)
    bind[1, 1, 3] = 0.5
    mesh = AvatarMesh(
        "head", positions, np.tile(np.float32([0, 0, 1]), (4, 1)), positions[:, :2].copy(),
        np.array([[0, 1, 2], [1, 3, 2]], np.int32), np.zeros((4, 4), np.int32),
        np.tile(np.float32([1, 0, 0, 0]), (4, 1)), Material("skin", "skin", texture="skin"),
        {"jawOpen": Morph(np.array([1], np.int32), np.float32([[0, 0.1, 0]]))},
    )  # fmt: skip
    texture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    return Avatar("me", Skeleton(("Hips", "Head"), np.array([-1, 0], np.int32), bind), (mesh,), {"skin": texture})


def small_performance():
    import numpy as np

    from digitalme.artifacts import Performance

    grid = np.linspace(0, 1, 12, dtype=np.float32)
    head = np.stack([grid * 0.1] * 3, 1)
    return Performance(60.0, {"jawOpen": grid, "eyeBlinkLeft": 1 - grid}, head, {"sil": grid, "aa": 1 - grid})


def written(write: Callable[[Path], None], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def saved(value) -> dict[str, bytes]:
    """The files of an artifact."""
    with tempfile.TemporaryDirectory() as folder:
        value.save(Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@functools.cache
def artifacts() -> dict[str, dict[str, bytes]]:
    import numpy as np

    from digitalme.artifacts import Likeness, Photo, Portrait, Scorecard, Speech, Voice
    from digitalme.artifacts.likeness import Camera
    from digitalme.artifacts.scorecard import Score
    from digitalme.artifacts.speech import TimedLabel

    image, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.float32)
    rgb, phones = (0.5, 0.5, 0.5), (TimedLabel("AA", 0.0, 0.5),)
    portrait = Portrait(
        image, np.zeros((478, 3), np.float32), mask, mask, mask, 500.0, np.eye(2, 3, dtype=np.float32),
        rgb, rgb, rgb, rgb, rgb, {"blur": 1.0}, {"hat": 0.0}, ("dark",),
    )  # fmt: skip
    likeness = Likeness(
        {"gender": 0.5}, {"jawOpen": 0.1}, Camera(500.0, 32, 32, np.eye(3, 4)), np.zeros((8, 3), np.float32), 1.0,
        (0.0, 0.0, 1.0, 1.0), image, image, image[..., 0],
    )  # fmt: skip
    wave = np.sin(np.arange(800) * 0.1).astype(np.float32)
    speech = Speech(phones, phones, 0.5, *[np.zeros(50, np.float32)] * 3)
    scorecard = Scorecard((Score("a", 1.0, "mm", "< 2", {}),), image)
    voice = Voice(wave, 16000, "hello", "en", phones)
    photo = Photo(b"picture", "me.jpg")
    values = [small_avatar(), small_performance(), portrait, likeness, speech, photo, voice, scorecard]
    made = {type(value).__name__: saved(value) for value in values}
    made["Frames"] = {"frames.mkv": videos()[1], "frames.json": b'{"fps": 25, "count": 6, "width": 64, "height": 64}'}
    made["Video"] = {"talking_head.mp4": videos()[0], "video.json": b'{"fps": 25, "seconds": 0.24}'}
    return made


# ---------------------------------------------------------------- readers: each takes the bytes and an empty folder


def read_photo(data: bytes, folder: Path) -> None:
    from digitalme.imaging.photo_files import decode_photo

    decode_photo(data, "me.jpg")


def read_sound(data: bytes, folder: Path) -> None:
    from digitalme.audio.files import read_voice

    read_voice(put(folder / "clip.bin", data))


def read_moving(data: bytes, folder: Path) -> None:
    from digitalme.imaging.video import contact_strip, read_video

    path = put(folder / "clip.mp4", data)
    for count, _ in enumerate(read_video(path)):
        if count > 50:
            break
    contact_strip(path, 2, 2, 16)


def read_knobs(data: bytes, folder: Path) -> None:
    """A file of knobs (--config)."""
    from digitalme.config import read_toml
    from digitalme.product import merged

    _default_pipeline().configs(merged(read_toml(put(folder / "mine.toml", data))))


def read_graph(data: bytes, folder: Path) -> None:
    """A pipeline of one's own (--pipeline)."""
    from digitalme.pipeline import read_pipeline

    read_pipeline(str(put(folder / "mine.toml", data)))


@functools.cache
def _default_pipeline():
    from digitalme.pipeline import read_pipeline

    return read_pipeline("default")


def read_settings(data: bytes, folder: Path) -> None:
    from digitalme.config import parse_settings

    _default_pipeline().configs(parse_settings(data.decode("utf-8", "replace").split("\n")))


def read_performance(data: bytes, folder: Path) -> None:
    from digitalme.artifacts import Performance

    Performance.read(put(folder / "performance.json", data))


def read_csv(data: bytes, folder: Path) -> None:
    from digitalme.exporters.live_link import read_live_link

    read_live_link(put(folder / "face.csv", data))


def read_bones(data: bytes, folder: Path) -> None:
    from digitalme.exporters.bvh import read_bvh

    read_bvh(put(folder / "head.bvh", data))


def read_avatar_file(data: bytes, folder: Path) -> None:
    from digitalme.exporters.glb import read_glb

    read_glb(put(folder / "avatar.glb", data))


def read_consent(data: bytes, folder: Path) -> None:
    from digitalme.trust.consent import consent_for

    path = put(folder / "agreed.json", data)
    consent_for(b"photo", str(path), folder / "store", None)


def read_block_list(data: bytes, folder: Path) -> None:
    import numpy as np

    from digitalme.trust.content import blocked

    put(folder / "someone.json", data)
    blocked(np.zeros(128), folder)


def read_prompt(data: bytes, folder: Path) -> None:
    from digitalme.trust.content import check_prompt

    check_prompt(data.decode("utf-8", "replace"))


def read_run(data: bytes, folder: Path) -> None:
    """run/run.json of a build folder from someone else."""
    from digitalme.product import Built

    for name in ("run", "objects", "runs", "scratch"):
        (folder / name).mkdir()
    put(folder / "run" / "run.json", data.replace(b"STORE", str(folder).encode()))
    Built.read(folder)


def read_provenance(data: bytes, folder: Path) -> None:
    """`verify` of a signed picture, and of a sidecar."""
    from digitalme.trust.provenance import SIDECAR, verify

    if data[:1] == b"{":
        put(folder / "avatar.glb", b"glTF")
        verify_ = folder / "avatar.glb"
        put(folder / ("avatar.glb" + SIDECAR), data)
    else:
        verify_ = put(folder / "picture.png", data)
    verify(verify_)


def read_artifact(data: bytes, folder: Path) -> None:
    """A saved artifact from someone else (--use): the changed file beside its whole neighbours."""
    from digitalme import artifacts as kinds
    from digitalme.store import read_from

    kind, name, data = data.split(b"\n", 2)
    for other, content in artifacts()[kind.decode()].items():
        put(folder / other, data if other == name.decode() else content)
    read_from(folder, getattr(kinds, kind.decode()))


def read_object(data: bytes, folder: Path) -> None:
    """A store folder from someone else: artifact.json changed."""
    from digitalme.store import Store

    key = "ab" * 32
    store = Store(folder / "store")
    home = store.path(key)
    home.mkdir(parents=True)
    put(home / "number.txt", b"7")
    put(home / "artifact.json", data)
    store.check(key)


def read_people(data: bytes, folder: Path) -> None:
    from digitalme.batch import read_table

    read_table(put(folder / "people.csv", data), folder / "many")


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


KNOBS = (
    b'[reconstruct]\ntexture_size = 512\n[render]\nlook = "studio"\nfps = 25.0\n[export]\nformats = ["glb", "vrm"]\n'
)


SETTINGS = b"render.fps=25\nexport.formats=glb,vrm\nrender.look=moe\nreconstruct.texture_size=512"
PEOPLE = b"name,selfie,voice,say,look\nAnna,a.jpg,,hello,photo\nBen,b.png,b.wav,,moe\n"


def _artifact_files() -> list[bytes]:
    files = ((kind, *file) for kind, listed in artifacts().items() for file in listed.items())
    return [f"{kind}\n{name}\n".encode() + data for kind, name, data in files]


def _graphs() -> list[bytes]:
    return [(ROOT / "configs" / "pipelines" / f"{name}.toml").read_bytes() for name in ("default", "say")]


def _runs() -> list[bytes]:
    about = {"pipeline": "default", "store": "STORE", "settings": {"render": {"fps": 25}}, "keys": {"avatar": "a" * 64}}
    return [json.dumps({**about, "store": store}).encode() for store in ("STORE", "/", "s3://bucket/folder", "STORE/x")]


def _objects() -> list[bytes]:
    about = {"type": "Number", "files": {"number.txt": "7" * 64}, "content": "8" * 64, "inputs": {"photo": "9" * 64}}
    return [json.dumps(about).encode()]


def _signed() -> list[bytes]:
    from digitalme.trust.provenance import SIDECAR, identity, sign

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        who = identity(folder / "keys")
        sign(put(folder / "picture.png", pictures()[4]), {"consent": "mine"}, who)
        sign(put(folder / "avatar.glb", b"glTF"), {"consent": "mine"}, who)
        return [(folder / "picture.png").read_bytes(), (folder / ("avatar.glb" + SIDECAR)).read_bytes()]


def _glbs() -> list[bytes]:
    from digitalme.errors import MissingExtraError
    from digitalme.exporters import draco, meshopt
    from digitalme.exporters.glb import to_gltf, write_glb_file
    from digitalme.exporters.options import DEFAULT

    plain = to_gltf(small_avatar(), DEFAULT, [], None)
    kinds = [plain, meshopt.compress(*plain)]
    with contextlib.suppress(MissingExtraError):
        kinds.append(draco.compress(*plain))
    return [written(lambda path, kind=kind: write_glb_file(path, *kind), "avatar.glb") for kind in kinds]


def _csvs() -> list[bytes]:
    from digitalme.exporters.live_link import write_live_link

    return [written(lambda path: write_live_link(small_performance(), path), "face.csv")]


def _bones() -> list[bytes]:
    from digitalme.exporters.bvh import write_bvh

    return [written(lambda path: write_bvh(small_performance(), path), "head.bvh")]


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[bytes, Path], None], float]] = {
    "photo": (pictures, read_photo, 3),
    "sound": (sounds, read_sound, 2),
    "video": (videos, read_moving, 1),
    "toml": (lambda: [KNOBS], read_knobs, 2),
    "pipeline": (_graphs, read_graph, 1),
    "settings": (lambda: [SETTINGS], read_settings, 1),
    "performance": (lambda: [written(small_performance().write, "p.json")], read_performance, 3),
    "csv": (_csvs, read_csv, 2),
    "bvh": (_bones, read_bones, 2),
    "glb": (_glbs, read_avatar_file, 3),
    "artifact": (_artifact_files, read_artifact, 4),
    "object": (_objects, read_object, 1),
    "run": (_runs, read_run, 1),
    "consent": (lambda: [b'{"statement": "for a film", "subject": "me", "signed": ""}'], read_consent, 1),
    "provenance": (_signed, read_provenance, 1),
    "blocklist": (lambda: [json.dumps([[0.25] * 128, [0.5] * 128]).encode()], read_block_list, 1),
    "prompt": (lambda: ["a young woman, 25 years old, 长发".encode()], read_prompt, 1),
    "people": (lambda: [PEOPLE], read_people, 1),
}  # fmt: skip
"""Name to seeds, reader, and its share of a run."""


# ---------------------------------------------------------------- changes

NUMBERS = [
    "0",
    "-1",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "99999999999999999999",
    "4294967295",
    "2147483648",
    "0.5",
    "1e-320",
]
TOKENS = [
    b"null", b"true", b"[]", b"{}", b'""', b'"../../../etc/passwd"', b'"\\u0000"', b'"\\ud800"', b"[" * 3000,
    b'{"a":' * 2000, b'"' + b"A" * 5000 + b'"', b"-rf", b"\x1b[2J", b"\xff\xfe", b"\n", b",", b"=",
    "\u202e".encode(), b"__import__('os')",
]  # fmt: skip
MAGIC = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"\x01\0\0\0",
]


def change(data: bytes, others: list[bytes], chance: random.Random, keep: int) -> bytes:
    """Some changes to a file whose first `keep` bytes are not its own. Now and then it is something else altogether."""
    head, body = data[:keep], bytearray(data[keep:])
    if chance.random() < 0.01:
        return head + chance.randbytes(chance.randrange(300))
    text = len(body) < 200_000 and not re.search(rb"[\x00-\x08\x0e-\x1f]", body[:2000])
    for _ in range(min(1 + int(chance.expovariate(0.6)), 20)):
        at = chance.randrange(len(body) + 1)
        size = min(int(chance.expovariate(1 / 20)) + 1, max(len(body) - at, 0))
        kind = chance.randrange(11 if text else 8)
        if kind == 0 and body:
            body[min(at, len(body) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1 and body:
            body[min(at, len(body) - 1)] = chance.randrange(256)
        elif kind == 2:
            del body[at : at + size]
        elif kind == 3:
            body[at:at] = body[at : at + size] * chance.choice([1, 2, 50])
        elif kind == 4:
            body[at : at + 4] = chance.choice(MAGIC)
        elif kind == 5 and chance.random() < 0.4:
            del body[at:]
        elif kind == 6 and others:
            other = chance.choice(others)[keep:]
            cut = chance.randrange(len(other) + 1)
            body[at : at + size] = other[cut : cut + size]
        elif kind == 7:
            body[at:at] = chance.choice(TOKENS)
        elif kind == 8 and (found := list(re.finditer(rb"-?\d+(?:\.\d+)?", body))):
            number = chance.choice(found)
            body[slice(*number.span())] = chance.choice(NUMBERS).encode()
        elif kind == 9 and (found := list(re.finditer(rb'"[^"\n]{0,60}"', body))):
            word = chance.choice(found)
            body[slice(*word.span())] = chance.choice(TOKENS)
        elif kind == 10 and (lines := body.split(b"\n")):
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            del lines[chance.randrange(len(lines))]
            body = bytearray(b"\n".join(lines))
        if len(body) > 300_000:
            del body[300_000:]
    if bytes(body[:4]) == b"glTF" and chance.random() < 0.7:  # its length is right, so that the rest is read
        body[8:12] = len(body).to_bytes(4, "little")
    return head + bytes(body)


def input_of(target: str, index: int) -> bytes:
    """Input `index` of a reader: always the same."""
    seeds, chance = seeds_of(target), random.Random(f"{target} {index}")
    seed = chance.choice(seeds)
    return change(seed, seeds, chance, own_head(target, seed))


@functools.cache
def seeds_of(target: str) -> list[bytes]:
    return TARGETS[target][0]()


def own_head(target: str, seed: bytes) -> int:
    """Bytes of a seed that say which file it is."""
    return seed.index(b"\n", seed.index(b"\n") + 1) + 1 if target == "artifact" else 0


# ---------------------------------------------------------------- the reading process


class Watch:
    """Audit events that no reader may cause while it reads."""

    def __init__(self) -> None:
        self.inside, self.folder, self.seen = False, "", ""
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.inside:
            return
        if event in FORBIDDEN:
            self.seen = f"{event} {arguments[:2]!r:.100}"
        elif event in WRITES:
            if event == "open" and not (
                isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            ):
                return
            where = arguments[1 if event in ("os.symlink", "os.link") else 0]
            if isinstance(where, str | bytes | os.PathLike):
                path = os.path.abspath(os.fsdecode(where))
                if not path.startswith(self.folder) and "__pycache__" not in path:
                    self.seen = f"{event} {path[:200]!r}"


def most_memory() -> int:
    """The most memory this process has held, KiB. (ru_maxrss would count what its parent held when it was forked.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def serve(targets: list[str], first: int, last: int) -> None:
    """Read inputs `first` to `last` and say on stdout how each ended: a line of JSON."""
    import digitalme.errors

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.update(OMP_NUM_THREADS="1")
    say = os.fdopen(os.dup(1), "w", buffering=1)
    warnings.simplefilter("ignore")
    seeds = {name: seeds_of(name) for name in dict.fromkeys(targets)}

    def too_long(number, frame):
        raise TimeoutError("hang")

    signal.signal(signal.SIGPROF, too_long)
    with tempfile.TemporaryDirectory() as base:
        os.chdir(base)
        os.environ.update(HOME=base, XDG_DATA_HOME=base + "/data", DIGITALME_STORE=base + "/input/cache")
        for name in seeds:  # what is imported, compiled and cached at the first use
            for seed in seeds[name]:
                with contextlib.suppress(digitalme.errors.DigitalMeError):
                    TARGETS[name][1](seed, Path(tempfile.mkdtemp(dir=base)))
        say.write("ready\n")
        null = os.open(os.devnull, os.O_WRONLY)  # decoders in C talk a lot
        os.dup2(null, 1)
        os.dup2(null, 2)
        watch = Watch()
        folder = Path(base) / "input"
        folder.mkdir(exist_ok=True)
        empty(folder)
        before = sorted(os.listdir(base))
        for index in range(first, last):
            name = targets[index % len(targets)]
            data = input_of(name, index)
            watch.folder, watch.seen, watch.inside = str(folder), "", True
            begin, wrong = time.process_time(), ""
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                TARGETS[name][1](data, folder)
            except digitalme.errors.DigitalMeError:
                pass
            except TimeoutError:
                wrong = "hang"
            except BaseException as error:  # noqa: BLE001  that is what is looked for
                trace = traceback.extract_tb(error.__traceback__)
                at = [*trace[-1:], *(f for f in trace if "/digitalme/" in f.filename)][-1]
                wrong = f"{type(error).__name__}: {str(error)[:120]} at {Path(at.filename).name}:{at.lineno}"
            signal.setitimer(signal.ITIMER_PROF, 0)
            watch.inside = False
            wrong = wrong or watch.seen
            empty(folder)
            if not wrong and sorted(os.listdir(base)) != before:
                wrong = f"left behind: {set(os.listdir(base)) - set(before)}"
            peak = most_memory()
            record = {"i": index, "t": name, "s": round(time.process_time() - begin, 3), "rss": peak, "wrong": wrong}
            if wrong:
                record["data"] = data[:200_000].hex()
            say.write(json.dumps(record) + "\n")


def empty(folder: Path) -> None:
    """Remove what is in a folder; the folder stays, for making one takes longer than most inputs."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


# ---------------------------------------------------------------- the run


@dataclass
class Tally:
    """What several reading processes found, added up; as `state` it is what a later run goes on from."""

    plan: list[str]
    parts: list[list[int]]
    """For each process the next input to read, and the one to stop before."""
    tried: dict[str, int]
    wrong: list[dict] = field(default_factory=list)
    mended: int = 0
    done: int = 0
    peak: int = 0
    heaviest: str = ""
    """The input at which a reading process came to hold the most."""
    slowest: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "lock"}


def cpu_seconds(pid: int) -> float:
    """What a process that runs has taken of the processors, s (0 where it has just gone)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def next_line(process: subprocess.Popen, selector: selectors.BaseSelector) -> str:
    """The next line a reading process says; "" where it died, or was ended: hung in a decoder that sees no signal."""
    began, at_first = time.monotonic(), cpu_seconds(process.pid)
    while not selector.select(2.0):
        if time.monotonic() - began > WAIT or cpu_seconds(process.pid) - at_first > SECONDS * 2:
            process.kill()
            break
    assert process.stdout is not None
    return process.stdout.readline()


def feed(part: list[int], tally: Tally) -> None:
    """Have the inputs of a part read, by another process each time one dies."""
    plan = tally.plan
    while part[0] < part[1]:
        command = [sys.executable, __file__, "--serve", ",".join(plan), str(part[0]), str(part[1])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("the reading process did not start")
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while part[0] < part[1] and (line := next_line(process, selector)):
                record = json.loads(line)
                with tally.lock:
                    part[0] = record["i"] + 1
                    tally.done += 1
                    tally.tried[record["t"]] += 1
                    if record["rss"] > tally.peak:
                        tally.peak, tally.heaviest = record["rss"], f"{record['t']} {record['i']}"
                    tally.slowest = max(tally.slowest, record["s"])
                    if record["wrong"]:
                        tally.wrong.append(record)
        process.stdout.close()
        _, status, used = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        with tally.lock:
            tally.cpu += used.ru_utime + used.ru_stime
            if part[0] < part[1]:
                name, index = plan[part[0] % len(plan)], part[0]
                what = "hang, ended from outside" if code == -signal.SIGKILL else f"the process died ({code})"
                tally.done += 1
                tally.tried[name] += 1
                tally.wrong.append({"i": index, "t": name, "wrong": what, "data": input_of(name, index).hex()})
                part[0] += 1


def read_again(tally: Tally) -> None:
    """What went wrong in an earlier run, once more: some of it may be mended."""
    found, tally.wrong = tally.wrong, []
    for record in found:
        once = Tally(tally.plan, [[record["i"], record["i"] + 1]], dict.fromkeys(tally.tried, 0))
        feed(once.parts[0], once)
        tally.wrong += once.wrong
        tally.mended += not once.wrong


def plan_of(targets: list[str] | None) -> list[str]:
    """The readers in the order in which they take turns."""
    weights = {name: share for name, (_, _, share) in TARGETS.items() if not targets or name in targets}
    plan = [name for name, share in weights.items() for _ in range(max(1, round(share * 2)))]
    random.Random(0).shuffle(plan)
    return plan


def run(
    inputs: int,
    targets: list[str] | None = None,
    processes: int = 1,
    keep: Path | None = None,
    skip: int = 0,
    out: Path | None = None,
) -> dict:
    """Read so many inputs; the figures. `keep` is a folder for the inputs that went wrong; `out` a file for the
    figures, written again and again while it goes on. A stopped run of the same size goes on from there.
    """
    plan = plan_of(targets)
    edges = [skip + inputs * part // processes for part in range(processes + 1)]
    tally = Tally(plan, [[a, b] for a, b in itertools.pairwise(edges)], dict.fromkeys(plan, 0))
    if out is not None and out.is_file():
        state = json.loads(out.read_text(encoding="utf-8")).get("state", {})
        if state and state["plan"] == plan and state["parts"][-1][1] == edges[-1]:
            tally = Tally(**state)
            read_again(tally)
    begin, before = time.perf_counter(), tally.seconds

    def told() -> dict:
        with tally.lock:
            tally.seconds = before + time.perf_counter() - begin
            figures = figures_of(tally, keep)
            if out is not None:
                draft = out.with_name(out.name + ".part")
                draft.write_text(json.dumps({**figures, "state": tally.state()}, indent=1) + "\n", encoding="utf-8")
                draft.replace(out)
            return figures

    with ThreadPoolExecutor(len(tally.parts)) as pool:
        futures = [pool.submit(feed, part, tally) for part in tally.parts]
        while wait(futures, 5 if out else None).not_done:
            told()
        for future in futures:
            future.result()
    return told()


def figures_of(tally: Tally, keep: Path | None) -> dict:
    kinds: dict[str, int] = {}
    for record in tally.wrong:
        what, _, where = record["wrong"].partition(":")
        kind = " ".join([f"{record['t']}:", what, where.rpartition(" at ")[2][:60]])
        kinds[kind] = kinds.get(kind, 0) + 1
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{record['t']}-{record['i']}").write_bytes(bytes.fromhex(record.get("data", "")))

    def count(what: str) -> int:
        return sum(record["wrong"].startswith(what) for record in tally.wrong)

    return {
        "inputs": tally.done, "seconds": round(tally.seconds, 1), "cpu_seconds": round(tally.cpu, 1),
        "wrong": len(tally.wrong), "mended": tally.mended, "crashes": count("the process died"),
        "hangs": count("hang"),
        "outside": sum(record["wrong"].startswith(("left behind", *WRITES, *FORBIDDEN)) for record in tally.wrong),
        "slowest_input_seconds": tally.slowest, "peak_memory_mb": round(tally.peak / 1024),
        "heaviest_input": tally.heaviest,
        "memory_limit_mb": MEMORY // 2**20, "by_reader": tally.tried, "findings": kinds,
    }  # fmt: skip


def guided(target: str, seconds: float) -> None:
    """The same readers, the changes guided by coverage."""
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("atheris is not installed: pip install atheris")
    # what numba compiles must stay as it is written
    with atheris.instrument_imports(include=["digitalme", "stages"], exclude=["digitalme.exporters.meshopt"]):
        from digitalme.errors import DigitalMeError

        seeds, read, _ = TARGETS[target]
        made = seeds()
        for seed in made[:1]:
            read(seed, Path(tempfile.mkdtemp()))
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(made):
        (corpus / str(number)).write_bytes(seed)

    def one(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:  # noqa: SIM105
                read(data, Path(folder))
            except DigitalMeError:
                pass

    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds:g}", "-timeout=60", "-rss_limit_mb=3000"], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--skip", type=int, default=0, help="begin with this input")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that went wrong")
    parser.add_argument("--atheris", type=float, metavar="SECONDS")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        plan, first, last = given.serve
        serve(plan.split(","), int(first), int(last))
        return
    if given.atheris:
        guided((given.target or ["toml"])[0], given.atheris)
        return
    figures = run(given.inputs, given.target, given.processes, given.keep, given.skip, given.out)
    print(json.dumps(figures, indent=1))
    sys.exit(1 if figures["wrong"] else 0)


if __name__ == "__main__":
    main()
