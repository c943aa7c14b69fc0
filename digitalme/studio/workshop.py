"""One avatar being made for a page: what each stage has done, what it made, and the same again with a part replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digitalme import product
from digitalme.artifacts.files import write_png
from digitalme.errors import DigitalMeError, InputError
from digitalme.events import Event, Listener
from digitalme.pipeline import Pipeline, read_pipeline
from digitalme.service.orders import Order
from digitalme.store import Store, default_root
from digitalme.studio.viewer import view_of, write_view

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_WIDEST = 900
"""Previews are at most this wide, pixels."""

Maker = Callable[[Order, Listener], Mapping[str, str]]
"""Carries an order out; keys by artifact."""


def make(order: Order, on_event: Listener) -> Mapping[str, str]:
    return order.carry_out(on_event)


class StoppedError(DigitalMeError):
    """A person stopped it."""


@dataclass
class Step:
    """How a stage stands."""

    artifact: str
    stage: str
    state: str = "waiting"
    """waiting, working, finished, kept, given or failed."""
    part: float = 0.0
    """How much is done, 0..1."""
    seconds: float = 0.0
    key: str = ""


@dataclass
class State:
    """All that a page shows. `number` grows with each change."""

    number: int = 0
    working: bool = False
    name: str = ""
    error: str = ""
    steps: list[Step] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    made: int = 0
    """How many runs have come to their end: a page loads the results anew when it grows."""
    live: str = ""
    """The command that opens the live page of what was made."""


class Workshop:
    """At most one order at a time; every method may be called from any thread."""

    def __init__(self, root: Path, store: Path | None = None, maker: Maker = make) -> None:
        self.root = root
        self.store = Store(store or default_root())
        self.state = State()
        self._maker = maker
        self._order: Order | None = None
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ---- making ----

    def new_folder(self) -> Path:
        """For an avatar's files and what it is made from. Raises InputError where it cannot be written."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            folder = self.root / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                (folder / "from").mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise InputError(f"--out {self.root}: cannot be written ({error.strerror}); choose another") from None
            return folder
        raise InputError(f"--out {self.root}: a thousand avatars in one second")

    def start(self, order: Order) -> None:
        """Begin. Raises InputError while another one is being made."""
        with self._lock:
            if self.state.working:
                raise InputError("an avatar is being made; wait for it, or stop it first")
            pipeline = self._pipeline(order)
            ordered = sorted(pipeline.nodes, key=pipeline.number)
            for node in pipeline.nodes.values():
                _ = node.stage.code  # read here: Python 3.11 may fail where two threads parse code at once
            steps = [Step(name, pipeline.nodes[name].stage.name) for name in ordered]
            made = self.state.made
            self.state = State(self.state.number + 1, True, Path(order.out).name, steps=steps, made=made)
            self._order = order
            self._stop.clear()
            self._thread = threading.Thread(target=self._work, args=(order,), name="digitalme-studio", daemon=True)
            self._thread.start()

    def replace(self, artifact: str, name: str, picture: Path) -> None:
        """Make it again with one picture of an artifact replaced by a file. Raises InputError."""
        with self._lock:
            if self._order is None or self.state.working:
                raise InputError("nothing is made yet, or it is still being made")
            if name not in self.files_of(artifact):
                raise InputError(f"{artifact} has no picture {name}")
            decoded = cv2.imdecode(np.frombuffer(picture.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            if decoded is None or decoded.dtype != np.uint8:
                raise InputError(f"{picture.name}: not a picture that can be read; expected PNG, JPEG or WebP")
            wanted = cv2.imread(str(self._folder(artifact) / name), cv2.IMREAD_UNCHANGED)
            fitted = _like(decoded, wanted)
            use = Path(self._order.out) / "from" / artifact / name
            use.parent.mkdir(parents=True, exist_ok=True)
            write_png(use, fitted) if use.suffix == ".png" else cv2.imwrite(str(use), fitted[..., ::-1])
            self.start(replace(self._order, use={**self._order.use, artifact: str(use)}))

    def stop(self) -> None:
        self._stop.set()

    def wait(self, seconds: float = 600) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _pipeline(self, order: Order) -> Pipeline:
        return read_pipeline("say" if order.say and not order.voice and order.pipeline == "default" else order.pipeline)

    def _work(self, order: Order) -> None:
        error = "it ended unexpectedly; the terminal says more"
        try:
            self._maker(order, self._hear)
            error = ""
        except (DigitalMeError, OSError) as told:
            error = str(told) if isinstance(told, DigitalMeError) else f"{type(told).__name__}: {told}"
        finally:
            self._end(order, error if not self._stop.is_set() else "", bool(error))

    def _end(self, order: Order, error: str, unfinished: bool) -> None:
        with self._lock:
            self.state.working = False
            self.state.error = error
            for step in self.state.steps:
                if step.state == "working":
                    step.state = "failed" if error else "waiting"
                if step.artifact in order.use:
                    step.state = "given"
            if not unfinished:  # what nobody needed
                self.state.steps = [step for step in self.state.steps if step.state != "waiting"]
            out = Path(order.out)
            shown = out.iterdir() if out.is_dir() else ()
            self.state.files = sorted(path.name for path in shown if path.is_file())
            self.state.made += not unfinished
            self.state.live = f"digitalme live {out}" if (out / "run").is_dir() else ""
            self.state.number += 1

    def _hear(self, event: Event) -> None:
        if self._stop.is_set():
            raise StoppedError("stopped; what was finished is kept")
        states = {"started": "working", "progress": "working", "finished": "finished", "cached": "kept"}
        with self._lock:
            step = next((each for each in self.state.steps if each.artifact == event.artifact), None)
            if step is None:
                return
            step.state = states.get(event.what, "failed" if event.what == "failed" else step.state)
            if event.what == "progress" and event.total:
                step.part = min(1.0, event.done / event.total)
            if event.what in ("finished", "cached"):
                step.part, step.seconds, step.key = 1.0, event.seconds, event.key
            self.state.number += 1

    # ---- looking ----

    def told(self) -> dict[str, Any]:
        with self._lock:
            return asdict(self.state)

    def preview(self, artifact: str) -> bytes:
        """What a stage made, as JPEG. Raises InputError where there is nothing to see."""
        picture = self._load(artifact).preview()
        if picture is None:
            raise InputError(f"{artifact} has no picture")
        if picture.shape[1] > _WIDEST:
            size = (_WIDEST, max(1, round(picture.shape[0] * _WIDEST / picture.shape[1])))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return cv2.imencode(".jpg", np.ascontiguousarray(picture[..., 2::-1]), [cv2.IMWRITE_JPEG_QUALITY, 86])[
            1
        ].tobytes()

    def files_of(self, artifact: str) -> list[str]:
        """The pictures that a stage made: they can be replaced."""
        names = [path.name for path in sorted(self._folder(artifact).iterdir())]
        return [name for name in names if name.endswith(PICTURES)]

    def file_of(self, artifact: str, name: str) -> Path:
        if name not in self.files_of(artifact):
            raise InputError(f"{artifact} has no picture {name}")
        return self._folder(artifact) / name

    def output(self, name: str) -> Path:
        """A file that was handed over."""
        if self._order is None or name not in self.state.files:
            raise InputError(f"there is no file {name}")
        return Path(self._order.out) / name

    def view(self) -> bytes:
        """The avatar for the 3D view."""
        path = self.root / ".view"
        write_view(self._load("avatar"), path)
        try:
            return path.read_bytes()
        finally:
            path.unlink()

    def performance(self) -> dict:
        return view_of(self._load("performance"))

    def export(self, name: str) -> list[str]:
        """Write one more format; the files that there are then."""
        from digitalme.exporters.options import ExportConfig

        ExportConfig(formats=(name,))
        if self._order is None or self.state.working or not self.state.made:
            raise InputError("nothing is made yet, or it is still being made")
        out = Path(self._order.out)
        how = product.How(settings={"export": {"formats": [name]}})
        done = product.remake(product.Built.read(out), "exports", out, how)
        with self._lock:
            self.state.files = sorted(path.name for path in out.iterdir() if path.is_file())
            self.state.number += 1
        return sorted(path.name for path in done.load("exports").files.values())

    def _step(self, artifact: str) -> Step:
        step = next((each for each in self.state.steps if each.artifact == artifact), None)
        if step is None:
            raise InputError(f"there is no stage {artifact}")
        return step

    def _key(self, artifact: str) -> str:
        key = self._step(artifact).key
        if not key and self._order is not None and (Path(self._order.out) / "run" / "run.json").is_file():
            key = product.Built.read(Path(self._order.out)).keys.get(artifact, "")  # one that was given
        if not key:
            raise InputError(f"{artifact} is not made yet")
        return key

    def _folder(self, artifact: str) -> Path:
        return self.store.path(self._key(artifact))

    def _load(self, artifact: str) -> Any:
        key = self._key(artifact)
        assert self._order is not None
        return self.store.load(key, self._pipeline(self._order).type_of(artifact))


def _like(picture: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """An OpenCV picture (BGR or BGRA or grey) with the size and channels of another, as RGB order."""
    channels = 1 if wanted.ndim == 2 else wanted.shape[2]
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    if channels == 4 and picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    if picture.shape[:2] != wanted.shape[:2]:
        picture = cv2.resize(picture, (wanted.shape[1], wanted.shape[0]), interpolation=cv2.INTER_AREA)
    if channels == 1:
        return cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY)
    order = [2, 1, 0, 3] if channels == 4 else [2, 1, 0]
    return np.ascontiguousarray(picture[..., order])
