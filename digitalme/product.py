"""What the commands do: from files that a user has to a folder of files that a user wants.

The folder holds the outputs, report.html and run/: links to every stage's artifact, and run.json, by which the folder
is known again (`talk`, `export`, `eval`, `show`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitalme.config import read_toml, suggestion
from digitalme.errors import InputError
from digitalme.events import Listener
from digitalme.paths import config as config_path
from digitalme.pipeline import Pipeline, read_pipeline
from digitalme.run import Given, Run, run
from digitalme.scratch import scratch_folder, sweep
from digitalme.store import Store, open_store, read_from, was_opened_here
from digitalme.trust.consent import CONSENT_BYTES, Consent, consent_for, data_folder
from digitalme.trust.content import NOT_CHECKED, ContentError, block_list, blocked, write_descriptor

if TYPE_CHECKING:
    from digitalme.artifacts import Performance

LARGEST_PHOTO = 100 * 2**20
LARGEST_VIDEO = 2**31
LARGEST_TEXT = 2**20
DRIVEN = "+drive"
"""Laid over a pipeline, it takes the performance from a video."""
DRAFTS = ".digitalme-"
"""What folders of drafts are called, inside the folder that they are for."""
ASIDE = ".old-"
"""What a folder is called that was moved into the drafts, out of the way of its successor."""


@dataclass(frozen=True)
class Inputs:
    """The files and words that a user gives."""

    selfie: Path | None = None
    voice: Path | None = None
    say: str = ""
    """What is said in the voice."""
    drive: Path | None = None
    """A video whose face is followed; it is the voice too, where none is given."""
    prompt: str = ""
    """A person in words, instead of a selfie."""
    sketch: Path | None = None
    """A drawing of the person, beside the prompt or instead of it."""
    more_selfies: tuple[Path, ...] = ()
    """Further photos of the same person."""
    turn: Path | None = None
    """A video of the head turning, in place of photos."""

    def __post_init__(self) -> None:
        if self.selfie is not None and self.turn is not None:
            raise InputError("--selfie and --video were both given; expected one of them")

    @property
    def pipeline(self) -> str:
        """The pipeline that takes these."""
        return "video" if self.turn is not None else "photos" if self.more_selfies else "default"


PROMPTED = "+prompt"
"""Laid over a pipeline, it takes the person from words."""
RESTORED = "+restored"
"""Laid over a pipeline, it makes the photo better first."""
PAINTED = "+painted"
"""Laid over a pipeline, it paints what is drawn."""


@dataclass(frozen=True)
class How:
    """How to run: which pipeline, with which knobs, and where artifacts are kept."""

    pipeline: str = "default"
    store: Path | str | None = None
    """A folder or an fsspec address; None is the user's own store."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage name to knobs."""
    until: str | None = None
    redo_from: str | None = None
    use: Mapping[str, Path] = field(default_factory=dict)
    """Artifact to a file, or a folder, that takes its place."""
    on_event: Listener = lambda event: None
    consent: str = ""
    """Words or a JSON file: who is in the photo, and what they agreed to."""
    ask: Callable[[str], str] | None = None
    """Puts a question to a person; None where nobody is there."""


@dataclass(frozen=True)
class Built:
    """A folder that a build wrote, read back."""

    folder: Path
    pipeline: str
    store: Store
    keys: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Built:
        path = folder / "run" / "run.json"
        if folder.is_dir() and not path.is_file():
            sweep_drafts(folder)
        if not path.is_file():
            raise InputError(f"{folder}: not a folder that `digitalme build` wrote (no run/run.json)")
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            keys = {str(name): str(key) for name, key in about["keys"].items()}
            pipeline, store, settings = str(about["pipeline"]), str(about["store"]), dict(about["settings"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: not readable ({error}); build again") from None
        if not all(re.fullmatch("[0-9a-f]{64}", key) for key in keys.values()):
            raise InputError(f"{path}: holds something that is not a key; build again")
        if not was_opened_here(store):
            raise InputError(
                f"{folder}: its artifacts were kept in {store}, gone or no store of this computer; build again"
            )
        return cls(folder, pipeline, open_store(store), keys, settings)

    def given(self, pipeline: Pipeline, *without: str) -> dict[str, Given]:
        """The artifacts that depend on none of `without`, for use as they are."""
        known = {name: key for name, key in self.keys.items() if name in pipeline.nodes or name in pipeline.sources}
        return {
            name: Given(key)
            for name, key in known.items()
            if not any(pipeline.depends(name, changed) for changed in without)
        }


def look_settings(look: str) -> dict[str, dict[str, Any]]:
    """The knobs that make a look, from configs/looks."""
    known = sorted(path.stem for path in config_path("looks").glob("*.toml"))
    if look not in known:
        raise InputError(f"no look '{look}'{suggestion(look, known)}; there are: {', '.join(known)}")
    return read_toml(config_path("looks") / f"{look}.toml")


def wished(prompt: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The look that a prompt's words ask for, and knobs for what its person feels."""
    if not prompt.strip():
        return "photo", {}
    from digitalme.text.describing import attributes_of

    said = attributes_of(prompt)
    look = said.get("look", "studio")
    feeling = said.get("expression", "neutral")
    felt = {} if feeling == "neutral" else {"animate": {"emotion": f"{feeling}:0.6"}}
    return "studio" if look == "photo" else look, felt


def merged(*settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Knobs by stage; later ones win."""
    result: dict[str, dict[str, Any]] = {}
    for layer in settings:
        for stage, knobs in layer.items():
            if not isinstance(knobs, Mapping):
                raise InputError(f"'{stage}': expected a table of knobs, for example [reconstruct] size = 1024")
            result.setdefault(stage, {}).update(knobs)
    return result


def read_source(path: Path, what: str, largest: int) -> bytes:
    """A file that the user names. Raises InputError where it is not a readable file of a sensible size."""
    check_source(path, what, largest)
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {path}: cannot be read ({error})") from None


def check_source(path: Path, what: str, largest: int) -> None:
    """Raises InputError where a file is missing, empty or too large; it is not read."""
    try:
        if not path.is_file():
            raise InputError(f"{what} {path}: {'not a file' if path.exists() else 'no such file'}")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {path}: cannot be read ({error})") from None
    if size == 0:
        raise InputError(f"{what} {path}: the file is empty")
    if size > largest:
        raise InputError(f"{what} {path}: {size / 2**20:.0f} MB, expected at most {largest / 2**20:.0f} MB")


def speaks(video: Path) -> bool:
    """Whether somebody may be heard in a video. What cannot be read is told later, where it is used."""
    from digitalme.audio.files import read_voice

    try:
        read_voice(video)
    except InputError:
        return False
    return True


def sources_of(inputs: Inputs) -> dict[str, Any]:
    """The pipeline's sources, from the files that the user gave."""
    from digitalme.artifacts import Footage, Photo, Photos, Text

    given: dict[str, Any] = {}
    if inputs.selfie is not None:
        paths = (inputs.selfie, *inputs.more_selfies)
        pictures = tuple(Photo(read_source(path, "photo", LARGEST_PHOTO), path.name) for path in paths)
        given |= {"photos": Photos(pictures)} if inputs.more_selfies else {"photo": pictures[0]}
    if inputs.turn is not None:
        check_source(inputs.turn, "video", LARGEST_VIDEO)
        given["turn"] = Footage(inputs.turn, inputs.turn.name)
    if inputs.drive is not None:
        check_source(inputs.drive, "--drive", LARGEST_VIDEO)
        given["footage"] = Footage(inputs.drive, inputs.drive.name)
    if inputs.voice is not None:
        from digitalme.audio.files import read_voice

        given["voice"] = replace(read_voice(inputs.voice), text=inputs.say)
    elif inputs.drive is not None:
        from digitalme.audio.files import sound_of_video

        given["voice"] = replace(sound_of_video(inputs.drive), text=inputs.say)
    if inputs.sketch is not None:
        given["sketch"] = Photo(read_source(inputs.sketch, "--sketch", LARGEST_PHOTO), inputs.sketch.name)
    if inputs.prompt.strip() or inputs.sketch is not None:
        given["prompt"] = Text(inputs.prompt.strip() or "a person")
    if inputs.say.strip():
        given["words"] = Text(inputs.say)
    return given


def _known(given: Mapping[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    """What a pipeline can use of what is given: a pipeline of the user's own may know no words."""
    return {name: value for name, value in given.items() if name in pipeline.sources or name in pipeline.nodes}


def _shown_by(given: Mapping[str, Any]) -> bytes:
    """What stands for the person in a record of consent: the photo, the first photo, or the beginning of the video.
    Empty where the person comes from words."""
    if "photos" in given:
        return given["photos"].pictures[0].data
    if "turn" in given:
        with given["turn"].path.open("rb") as file:
            return file.read(CONSENT_BYTES)
    return given["photo"].data if "photo" in given else b""


def build(inputs: Inputs, out: Path, how: How) -> Run:
    """From photos, or a video, and a voice to everything that the pipeline hands over, in the folder `out`."""
    if how.pipeline == "default":
        how = replace(how, pipeline=inputs.pipeline)
    if inputs.drive is not None and DRIVEN not in how.pipeline:
        how = replace(how, pipeline=how.pipeline + DRIVEN)
    if (inputs.prompt.strip() or inputs.sketch is not None) and PROMPTED not in how.pipeline:
        how = replace(how, pipeline=how.pipeline + PROMPTED)
    about: dict[str, Any] = {"synthetic": True}
    with writing_to(out, about) as drafts:
        given = sources_of(inputs)
        pipeline, store = read_pipeline(how.pipeline), open_store(how.store)
        given = _known(given, pipeline)
        consent = _consent(given, how, store)
        if consent is not None and any(node.stage.name == "export" for node in pipeline.nodes.values()):
            how = replace(how, settings=merged({"export": {"consent": consent.digest}}, how.settings))
        configs = pipeline.configs(how.settings)
        about |= {"consent": consent.digest if consent else "not stated" if _shown_by(given) else "nobody's likeness"}
        given |= _replaced(pipeline, store, given, configs, how)
        wanted = [how.until] if how.until else _handed_over(pipeline, given)
        targets = [pipeline.node(name).artifact for name in wanted]
        if (listed := block_list()) is not None:
            about["block_list"] = _refuse_blocked(pipeline, targets, store, given, configs, how, listed)
        done = run(
            pipeline,
            targets,
            store=store,
            given=given,
            configs=configs,
            redo_from=how.redo_from,
            on_event=how.on_event,
        )
        from digitalme.report import write_report

        if checked := _content_check(done, configs):
            about["content_check"] = checked
        copy_outputs(done, drafts)
        write_links(done, drafts / "run", how, consent)
        write_report(done, drafts / "report.html", inputs.selfie.stem if inputs.selfie else out.name)
    return done


def edit(built: Built, settings: Mapping[str, Mapping[str, Any]], out: Path, how: How) -> Run:
    """A built avatar with other knobs, handed over whole: what the knobs do not reach comes from the store as it is."""
    about = json.loads((built.folder / "run" / "run.json").read_text(encoding="utf-8"))
    consent = about.get("consent", "not stated")
    told = consent.get("sha256", "") if isinstance(consent, dict) else consent
    stated: dict[str, Any] = {"synthetic": True, "consent": told}
    with writing_to(out, stated) as drafts:
        pipeline = read_pipeline(built.pipeline)
        given = {
            name: Given(key)
            for name, key in built.keys.items()
            if name in pipeline.sources or built.store.about(key).get("stage") == "given"
        }
        how = replace(how, pipeline=built.pipeline, settings=merged(built.settings, settings, how.settings))
        targets = [pipeline.node(name).artifact for name in _handed_over(pipeline, given)]
        configs = pipeline.configs(how.settings)
        if (listed := block_list()) is not None:
            stated["block_list"] = _refuse_blocked(pipeline, targets, built.store, given, configs, how, listed)
        done = run(pipeline, targets, store=built.store, given=given, configs=configs, on_event=how.on_event)
        from digitalme.report import write_report

        if checked := _content_check(done, configs):
            stated["content_check"] = checked
        copy_outputs(done, drafts)
        write_links(done, drafts / "run", how, consent)
        write_report(done, drafts / "report.html", out.name)
    return done


def _content_check(done: Run, configs: Mapping[str, Any]) -> str:
    """What is stated of the check of words and pictures: that it was off, or could not be made; "" where nothing was
    generated."""
    if any(getattr(configs.get(name), "content_check", True) is False for name in done.keys):
        return "off, for private use"
    told = [str(done.store.about(key).get("notes", {}).get("content_check", "")) for key in done.keys.values()]
    return next((each for each in told if each.startswith(NOT_CHECKED)), next(filter(None, told), ""))


def block(photo: Path, name: str) -> Path:
    """Put a photo's face on the user's block list: no build makes that person from then on. The list's file."""
    from digitalme.imaging.photo_files import decode_photo
    from digitalme.imaging.portraits import EncodePhotoConfig, portrait_of
    from digitalme.metrics.likeness import face_descriptor

    decoded = decode_photo(read_source(photo, "photo", LARGEST_PHOTO), photo.name)
    portrait = portrait_of(decoded.image, decoded.focal_px, photo.name, EncodePhotoConfig())
    path = (block_list() or data_folder() / "blocked") / f"{folder_name(name)}.json"
    write_descriptor(path, face_descriptor(portrait.image, portrait.landmarks))
    return path


def _refuse_blocked(
    pipeline: Pipeline, targets: list[str], store: Store, given: Mapping[str, Any], configs: Mapping[str, Any],
    how: How, listed: Path,
) -> str:  # fmt: skip
    """Make the portraits first, and raise ContentError where a block list knows one; nothing of it is kept then.

    It is asked at every build, not in a stage: what a store has of somebody does not outlive their being listed. What
    is said of it in the build's record.
    """
    from digitalme.artifacts import Portrait
    from digitalme.forget import forget
    from digitalme.metrics.likeness import face_descriptor

    known = {**pipeline.sources, **{name: pipeline.type_of(name) for name in pipeline.nodes}}
    faces = [
        name for name, kind in known.items()
        if kind is Portrait and any(name == target or pipeline.depends(target, name) for target in targets)
    ]  # fmt: skip
    done = run(
        pipeline, faces, store=store, given=given, configs=configs, redo_from=how.redo_from, on_event=how.on_event
    )
    for name in faces:
        portrait = done.load(name)
        who = blocked(face_descriptor(portrait.image, portrait.landmarks), listed)
        if who is not None:
            forget(store, done.keys.values())
            raise ContentError(
                f"refused: this face is on the block list {listed} ({who}), of people who are not to be made."
                " Nothing of it was kept"
            )
    return "asked" if faces else "no face to ask for"


def _consent(given: Mapping[str, Any], how: How, store: Store) -> Consent | None:
    """The record of who is shown; None where nobody was asked, or nobody is shown."""
    shown = _shown_by(given)
    if not shown:
        return None
    consent = consent_for(shown, how.consent, store.root, how.ask)
    if consent is None and os.environ.get("DIGITALME_REQUIRE_CONSENT"):
        raise InputError(
            'nobody said that the person in the photo agreed; give --consent "who it is, and what they agreed to"'
            " (DIGITALME_REQUIRE_CONSENT is set)"
        )
    return consent


def talk(built: Built, inputs: Inputs, out: Path, how: How) -> Run:
    """A new performance for a built avatar, from a voice or a video: whatever does not hear it stays as it is."""
    with writing_to(out) as drafts:
        base = built.pipeline.replace(DRIVEN, "")
        pipeline = read_pipeline(base + DRIVEN if inputs.drive is not None else base)
        changed = ("voice", "words", "footage", "performance")
        kept = built.given(pipeline, *changed)
        given = {**kept, **_known(sources_of(inputs), pipeline)}
        stages = {node.stage.name for node in pipeline.nodes.values()}
        settings = {stage: knobs for stage, knobs in built.settings.items() if stage in stages}
        configs = pipeline.configs(merged(settings, how.settings))
        done = run(
            pipeline, ["performance", "video"], store=built.store, given=given, configs=configs, on_event=how.on_event
        )
        for name, file in (("video", "talking_head.mp4"), ("performance", "performance.json")):
            shutil.copyfile(done.path(name) / file, drafts / file)
    return done


def perform(built: Built, file: Path, out: Path, how: How) -> Run:
    """Draw a performance that the user gives: an edited performance.json, a Live Link Face CSV, or a BVH's head."""
    if not file.is_file():
        raise InputError(f"--performance {file}: no such file")
    performance = _performance_of(file, built)
    with writing_to(out) as drafts:
        pipeline = read_pipeline(built.pipeline)
        given = {**built.given(pipeline, "performance"), "performance": performance}
        configs = pipeline.configs(merged(built.settings, how.settings))
        done = run(pipeline, ["video"], store=built.store, given=given, configs=configs, on_event=how.on_event)
        shutil.copyfile(done.path("video") / "talking_head.mp4", drafts / "talking_head.mp4")
        performance.write(drafts / "performance.json")
    return done


def _performance_of(file: Path, built: Built) -> Performance:
    from digitalme.artifacts import Performance
    from digitalme.exporters.bvh import read_bvh, with_head
    from digitalme.exporters.live_link import read_live_link

    match file.suffix.lower():
        case ".csv":
            return read_live_link(file)
        case ".bvh":
            if "performance" not in built.keys:
                raise InputError(
                    f"--performance {file}: a BVH moves the head only, and {built.folder} has no performance"
                )
            return with_head(built.store.load(built.keys["performance"], Performance), *read_bvh(file))
        case _:
            return Performance.read(file)


def remake(built: Built, artifact: str, out: Path, how: How, files: str = "") -> Run:
    """Make one artifact of a built avatar with other knobs, and hand its outputs over: those that the pipeline names,
    or `files`, a pattern. Raises InputError where the avatar's pipeline makes no such artifact."""
    with writing_to(out) as drafts:
        pipeline = read_pipeline(built.pipeline)
        given = built.given(pipeline, artifact)
        configs = pipeline.configs(merged(built.settings, how.settings))
        done = run(pipeline, [artifact], store=built.store, given=given, configs=configs, on_event=how.on_event)
        copy_outputs(done, drafts, artifact)
        for path in sorted(done.path(artifact).glob(files)) if files else ():
            if path.name != "artifact.json":
                shutil.copyfile(path, drafts / path.name)
    return done


@contextmanager
def writing_to(out: Path, about: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A folder for drafts inside `out`. When the block ends well they are renamed into place, each in one step, signed
    with what is stated `about` them.

    Whether `out` can be written is known before any work is done; where the work fails nothing is left in it. What a
    killed build left there is swept up first.
    """
    parents = [parent for parent in (out, *out.absolute().parents) if not parent.exists()]
    from digitalme.trust.provenance import seal

    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            sweep_drafts(out)
            stack.callback(_remove_empty, parents)
            drafts = stack.enter_context(scratch_folder(out, DRAFTS))
        except OSError as error:
            raise InputError(f"--out {out}: cannot be written ({error.strerror}); choose another folder") from None
        yield drafts
        seal(drafts, dict(about or {"synthetic": True}))
        for draft in sorted(drafts.iterdir(), key=lambda path: path.name == "run"):  # run/ last: it says all is there
            _replace(draft, out / draft.name, drafts)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def sweep_drafts(out: Path) -> None:
    """Remove the drafts that killed builds left in `out`. A folder that one of them had moved aside for its own goes
    back to its place where that is empty.
    """

    def put_back(drafts: Path) -> None:
        for aside in drafts.glob(f"{ASIDE}*"):
            place = out / aside.name.removeprefix(ASIDE)
            if not place.exists() and not place.is_symlink():
                os.rename(aside, place)

    sweep(out, DRAFTS, put_back)


def _replace(draft: Path, target: Path, drafts: Path) -> None:
    if draft.is_dir() and target.is_symlink():  # the link goes, what it leads to stays
        target.unlink()
    elif draft.is_dir() and target.is_dir():
        aside = drafts / f"{ASIDE}{target.name}"
        os.rename(target, aside)
        try:
            os.replace(draft, target)
        except OSError:
            os.rename(aside, target)
            raise
        return
    os.replace(draft, target)


def folder_name(name: str, otherwise: str = "me") -> str:
    """A folder's name after a file's or a person's: it leads nowhere else, and no program takes it for an option."""
    plain = re.sub(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff]', "", name)
    plain = plain.strip(" .").lstrip("-~ .")
    while len(plain.encode()) > 100:
        plain = plain[:-1]
    return plain or otherwise


def copy_outputs(done: Run, folder: Path, only: str | None = None) -> None:
    """Copy the files that the pipeline hands over, as far as this run made them; or those of one artifact."""
    for output in done.pipeline.outputs:
        artifact, _, pattern = output.partition("/")
        if artifact in done.keys and only in (None, artifact):
            for path in sorted(done.path(artifact).glob(pattern)):
                if path.name != "artifact.json":
                    shutil.copyfile(path, folder / path.name)


def write_links(done: Run, folder: Path, how: How, consent: Consent | dict | str | None) -> None:
    """run/: a link to each stage's artifact, and run.json."""
    folder.mkdir()
    for link in sorted(done.folder.iterdir()):
        if link.is_symlink():
            (folder / link.name).symlink_to(link.resolve())
    about = {
        "pipeline": how.pipeline,
        "store": done.store.address,
        "run": str(done.folder),
        "settings": how.settings,
        "keys": done.keys,
        "consent": {**asdict(consent), "sha256": consent.digest}
        if isinstance(consent, Consent)
        else consent or "not stated",
    }
    (folder / "run.json").write_text(json.dumps(about, indent=1, default=str) + "\n", encoding="utf-8")


def _handed_over(pipeline: Pipeline, given: Mapping[str, Any]) -> list[str]:
    artifacts = dict.fromkeys(output.partition("/")[0] for output in pipeline.outputs)
    return [name for name in artifacts if pipeline.can_be_made(name, given)]


def _replaced(
    pipeline: Pipeline, store: Store, given: Mapping[str, Any], configs: Mapping[str, Any], how: How
) -> dict[str, Any]:
    """What --use puts in place of an artifact: a folder as saved, or one edited file of the artifact as it would be."""
    replaced: dict[str, Any] = {}
    for name, path in how.use.items():
        if name not in pipeline.nodes and name not in pipeline.sources:
            name = pipeline.node(name).artifact
        kind: Any = pipeline.type_of(name)
        if not path.exists():
            raise InputError(f"--use {name}={path}: no such file")
        with store.scratch() as scratch:
            if path.is_dir():
                folder = path
            else:
                known = {**given, **replaced}
                made = run(pipeline, [name], store=store, given=known, configs=configs, on_event=how.on_event)
                folder = scratch / "edited"
                shutil.copytree(made.path(name), folder)
                shutil.copyfile(path, folder / _file_to_replace(folder, name, path))
            try:
                value = read_from(folder, kind)
            except InputError as error:
                raise InputError(f"--use {name}={path}: {error}") from None
            replaced[name] = Given(store.save(value, {"stage": "given", "where": str(path)}))
    return replaced


def _file_to_replace(folder: Path, name: str, path: Path) -> str:
    files = sorted(each.name for each in folder.iterdir() if each.name != "artifact.json")
    same_kind = [each for each in files if Path(each).suffix == path.suffix]
    for candidate in (path.name, f"{name}{path.suffix}"):
        if candidate in files:
            return candidate
    if len(same_kind) == 1:
        return same_kind[0]
    raise InputError(f"--use {name}={path}: {name} has several files; name yours after one of: {', '.join(files)}")


def describe(built: Built, name: str | None) -> Iterable[str]:
    """Lines that tell what a build's stages made; of one stage with its files, its knobs and its preview."""
    pipeline = read_pipeline(built.pipeline)
    order = sorted(built.keys, key=pipeline.number)
    if name is None:
        for artifact in order:
            about = built.store.about(built.keys[artifact])
            seconds = f"{about['seconds']:8.2f} s" if "seconds" in about else "     given"
            yield f"{pipeline.number(artifact):2d} {about['stage']:<16} {seconds}  {artifact}: {about['type']}"
        return
    artifact = name if name in built.keys else pipeline.node(name).artifact
    if artifact not in built.keys:
        raise InputError(f"{built.folder}: this build made no {artifact}")
    key = built.keys[artifact]
    about, folder = built.store.about(key), built.store.path(key)
    yield f"{artifact}: {about['type']} by {about.get('where', about['stage'])}"
    for label in ("made", "seconds", "peak_memory_mb", "seed"):
        if label in about:
            yield f"  {label.replace('_', ' ')}: {about[label]}"
    for knob, value in about.get("config", {}).items():
        yield f"  {knob} = {value}"
    yield f"  {folder}"
    for file in about["files"]:
        yield f"    {file}  {(folder / file).stat().st_size:,} bytes"
    picture = built.store.load(key, pipeline.type_of(artifact)).preview()
    if picture is not None:
        from digitalme.artifacts.files import write_png

        preview = built.folder / "run" / f"preview-{artifact}.png"
        write_png(preview, picture)
        yield f"  preview: {preview}"
