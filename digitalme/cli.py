"""The command line. Each command is a function; its parameters are its options (tyro), its docstring its help."""

from __future__ import annotations

import os
import re
import shutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, UseAppendAction, arg

from digitalme.errors import DigitalMeError, InputError

if TYPE_CHECKING:
    from digitalme.product import Built, How, Inputs
    from digitalme.run import Run

DESCRIPTION = """From one photo and one voice clip to your own rigged avatar and talking-head video, offline.

  digitalme demo
  digitalme build --selfie me.jpg --voice clip.wav
  digitalme build --prompt "a woman with long pink hair" --voice clip.wav
  digitalme build --selfie me.jpg --drive webcam.mp4
  digitalme talk me/ --voice other.wav
  digitalme edit me/ --hair-color red --glasses round
  digitalme render me/ --performance edited.json
  digitalme export me/ --to glb vrm

`digitalme COMMAND --help` tells a command's options. Exit codes: 0 done; 1 a stage failed; 2 the command line or an
input cannot be used."""


@dataclass(frozen=True)
class Options:
    """What every command that runs stages takes."""

    store: Annotated[str | None, arg(metavar="PATH")] = None
    """Where artifacts are kept between runs: a folder, or an address such as s3://bucket/folder. Default:
    $DIGITALME_STORE, or the user's cache folder."""
    set: UseAppendAction[tuple[str, ...]] = ()
    """STAGE.KNOB=VALUE: set a knob, for example --set reconstruct.size=1024. `digitalme stages` lists them."""
    config: Annotated[Path | None, arg(metavar="PATH")] = None
    """A TOML file of knobs: a table for each stage."""
    quiet: bool = False
    """No progress bar."""
    traceback: bool = False
    """On failure print the whole Python traceback."""


@dataclass(frozen=True)
class BuildOptions(Options):
    """What `build` and `demo` take beside their inputs."""

    look: Annotated[str | None, arg(metavar="NAME")] = None
    """photo: the head moves in the photograph itself. studio: the 3D avatar in studio light. moe: a cartoon.
    Default: photo; with --prompt studio, or what the words say."""
    size: Annotated[int | None, arg(metavar="NUMBER")] = None
    """Width and height of the video, pixels."""
    fps: Annotated[float | None, arg(metavar="NUMBER")] = None
    """Frames per second of the video."""
    hair: Annotated[str | None, arg(metavar="NAME")] = None
    """Hair of the avatar: short, bob, long, ponytail, twintails, bun, curly, afro, buzz, bald. Default: the photo's."""
    emotion: Annotated[str | None, arg(metavar="NAME:STRENGTH")] = None
    """What the face feels while it speaks, for example happy:0.6."""
    head_motion: Annotated[float | None, arg(metavar="NUMBER")] = None
    """Size of head sway and nods: 1 is natural, 0 keeps the head still and changes nothing else."""
    style: Annotated[str | None, arg(metavar="NAME")] = None
    """Paint skin, hair and clothes: a style 0..25, a mix such as 3:0.5,12:0.5, or the file of a painting."""
    restore: bool = False
    """Make the photo better first: less noise, and four times the pixels where it is small (--set restore_photo...)."""
    pipeline: str = "default"
    """A pipeline of configs/pipelines, or the path of your own TOML file."""
    until: Annotated[str | None, arg(metavar="NAME")] = None
    """Stop after this stage or artifact."""
    redo_from: Annotated[str | None, arg(name="from", metavar="NAME")] = None
    """Make this stage or artifact again, and all that follows from it."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """ARTIFACT=FILE: put your own file in place of one that a stage made, for example --use portrait=edited.png."""


def build(
    selfie: tuple[Path, ...] = (),
    video: Annotated[Path | None, arg(metavar="PATH")] = None,
    prompt: str = "",
    sketch: Annotated[Path | None, arg(metavar="PATH")] = None,
    voice: Annotated[Path | None, arg(metavar="PATH")] = None,
    say: str = "",
    say_file: Annotated[Path | None, arg(metavar="PATH")] = None,
    write: Annotated[str, arg(metavar="TOPIC")] = "",
    language_model: Annotated[Path | None, arg(metavar="PATH")] = None,
    drive: Annotated[Path | None, arg(metavar="PATH")] = None,
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    face: Annotated[int | None, arg(metavar="NUMBER")] = None,
    consent: str = "",
    options: OmitArgPrefixes[BuildOptions] = BuildOptions(),
) -> None:
    """Build an avatar and a talking-head video: digitalme build --selfie me.jpg --voice clip.wav

    Args:
        selfie: A photo of one person: JPEG, PNG, HEIC, WebP and others. Several of the same person, turned to both
            sides, give a truer head.
        video: In place of photos: a video of the person turning the head slowly to one side and to the other. Given
            alone, a video with speech is the voice and the performance too.
        prompt: Instead of a photo a person in words, English or Chinese: "an old man with a white beard".
        sketch: A drawing of a face, with a prompt or without: the avatar has its features, and its colours, if any.
        voice: A clip of speech: WAV, MP3, M4A, FLAC, OGG. Without one only the avatar is built.
        say: The words of the clip: the lips then follow them more closely. Without --voice a synthesiser speaks them.
        say_file: A text file with the words, in place of --say.
        write: A topic; a language model on this machine writes the words. Needs --language-model.
        language_model: The folder of a Hugging Face causal language model, for --write.
        drive: A video of a face, of anyone: the avatar does what it does. Without --voice its sound is the voice.
        out: The folder to write to. Default: a folder named after the selfie, in the current one.
        face: Which face to take where the photo shows several, counted from the left, from 1.
        consent: Who is in the photo and what they agreed to, in words or as a JSON record. It is asked for once.
        options: How to run.
    """
    from digitalme import product

    if bool(selfie) + bool(video) + bool(prompt.strip() or sketch) != 1:
        raise InputError('build: expected either --selfie PHOTO or --prompt "a person in words" or --video TURN')
    first = selfie[0] if selfie else None
    shown = first or video or (sketch if not prompt.strip() else None)
    out = out or Path(product.folder_name(shown.stem if shown else re.sub(r"\W+", "-", prompt).strip("-")[:40]))
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is not a folder; choose another with --out")
    words = _words(say, say_file, write, language_model)
    if video is not None and drive is None and voice is None and not words and product.speaks(video):
        drive = video  # somebody talks in it: it is the voice and the performance too
    inputs = product.Inputs(
        first, voice, words, drive, prompt=prompt, sketch=sketch, more_selfies=tuple(selfie[1:]), turn=video
    )
    _build(inputs, out, options, {"encode_photo": {"face": face}} if face is not None else {}, consent)


def demo(
    out: Path = Path("demo"),
    options: OmitArgPrefixes[BuildOptions] = BuildOptions(),
) -> None:
    """Build the demo: a NASA portrait in the public domain, and a synthetic voice.

    Args:
        out: The folder to write to.
        options: How to run.
    """
    from digitalme.demo import DEMO_CONSENT, demo_photo, demo_voice
    from digitalme.product import Inputs

    photo, (voice, words) = demo_photo(), demo_voice()
    _build(Inputs(photo, voice, words), out, options, {}, DEMO_CONSENT)


def _words(say: str, say_file: Path | None, topic: str, language_model: Path | None) -> str:
    """What is said: by --say, --say-file or --write."""
    if sum(map(bool, (say, say_file, topic))) > 1:
        raise InputError("--say, --say-file and --write each give the words; expected one of them")
    if say_file is not None:
        from digitalme.product import LARGEST_TEXT, read_source

        try:
            return read_source(say_file, "--say-file", LARGEST_TEXT).decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise InputError(f"--say-file {say_file}: not a text file; expected words in UTF-8") from None
    if topic:
        if language_model is None:
            raise InputError("--write needs --language-model PATH: the folder of a Hugging Face causal language model")
        from digitalme.text.writing import write_script

        words = write_script(topic, language_model)
        _say(f"script: {words}")
        return words
    return say


def _build(inputs: Inputs, out: Path, options: BuildOptions, extra: dict, consent: str) -> None:
    from digitalme import product
    from digitalme.progress_bar import ProgressBar

    chosen: dict[str, dict[str, Any]] = {
        "render": {"size": options.size, "fps": options.fps},
        "groom": {"hair": options.hair},
        "animate": {"emotion": options.emotion, "head_motion": options.head_motion},
        "stylise": {"style": options.style},
        "stylise_portrait": {"style": options.style},
    }
    if inputs.drive is not None:
        chosen["encode_video"] = {"head_motion": chosen.pop("animate")["head_motion"]}
        if options.emotion is not None:
            raise InputError(
                "--emotion is for a performance made from a voice; with --drive the face in the video rules"
            )
    shortcuts = {
        stage: given
        for stage, knobs in chosen.items()
        if (given := {name: value for name, value in knobs.items() if value is not None})
    }
    pipeline = options.pipeline if options.pipeline != "default" else inputs.pipeline
    if inputs.say and inputs.voice is None and inputs.drive is None:
        extra = {**extra, "speak": {"text": inputs.say}}
        pipeline = "say" if pipeline == "default" else f"{pipeline}+say" if options.pipeline == "default" else pipeline
    if options.style is not None:
        pipeline += product.PAINTED
    if options.restore:
        if inputs.turn is not None or inputs.more_selfies:
            raise InputError("--restore is for one photo")
        pipeline += product.RESTORED
    look, felt = product.wished(inputs.prompt or ("a person" if inputs.sketch else ""))
    if inputs.drive is not None:
        felt.pop("animate", None)
    settings = product.merged(product.look_settings(options.look or look), felt, shortcuts, extra, _settings(options))
    with ProgressBar(options.quiet) as bar:
        how = product.How(pipeline, options.store, settings, options.until, options.redo_from, _uses(options.use), bar)
        how = replace(how, consent=consent, ask=bar.ask if sys.stdin.isatty() else None)
        done = product.build(inputs, out, how)
    for path in sorted(out.iterdir()):
        if path.is_file():
            _say(f"{path}  {path.stat().st_size:,} bytes")
    if "album" in done.keys:
        for name, why in done.load("album").left_out:
            _say(f"left out: {name}: {why}")
    if "scorecard" in done.keys:
        _say_scores(done.load("scorecard"))
    _say_gaps(done)


def _say_gaps(done: Run) -> None:
    """Tell where the face of a driving video was not seen."""
    if done.pipeline.nodes["performance"].stage.name == "encode_video" and "performance" in done.keys:
        notes = done.store.about(done.keys["performance"]).get("notes", {})
        if notes.get("gaps"):
            spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in notes["gaps"])
            _say(f"no face in {notes['lost']} of {notes['pictures']} pictures, bridged: {spans}")


def talk(
    built: Positional[Path],
    voice: Annotated[Path | None, arg(metavar="PATH")] = None,
    drive: Annotated[Path | None, arg(metavar="PATH")] = None,
    say: str = "",
    say_file: Annotated[Path | None, arg(metavar="PATH")] = None,
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Let a built avatar say something else: digitalme talk me/ --voice other.wav

    Args:
        built: The folder that `build` wrote.
        voice: A clip of speech.
        drive: A video of a face: the avatar does what it does. Its sound is the voice, without --voice.
        say: The words of the clip, where you know them.
        say_file: A text file with the words, in place of --say.
        out: The folder for talking_head.mp4 and performance.json. Default: built/VOICE or built/VIDEO.
        options: How to run.
    """
    from digitalme import product

    found = product.Built.read(built)
    source = drive or voice
    if source is None:
        raise InputError("expected what the avatar does: --voice clip.wav or --drive clip.mp4")
    out = out or built / source.stem
    with _how(options) as how:
        words = _words(say, say_file, "", None)
        done = product.talk(found, product.Inputs(voice=voice, say=words, drive=drive), out, how)
    _say_gaps(done)
    _say(str(out / "talking_head.mp4"))


def render(
    built: Positional[Path],
    performance: Path,
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Draw a performance of your own: digitalme render me/ --performance edited.json

    Args:
        built: The folder that `build` wrote.
        performance: An edited performance.json (docs/performance.md), a CSV of Apple's Live Link Face, or a BVH, whose
            head movement takes the place of the built one.
        out: The folder for talking_head.mp4 and performance.json. Default: built/PERFORMANCE.
        options: How to run.
    """
    from digitalme import product

    found = product.Built.read(built)
    out = out or built / f"{performance.stem}-video"
    with _how(options) as how:
        product.perform(found, performance, out, how)
    _say(str(out / "talking_head.mp4"))


def edit(
    built: Positional[Path],
    words: Positional[str] = "",
    hair: Annotated[str, arg(metavar="STYLE")] = "",
    hair_color: Annotated[str, arg(metavar="COLOUR")] = "",
    eyes: Annotated[str, arg(metavar="COLOUR")] = "",
    age: Annotated[str, arg(metavar="YEARS")] = "",
    expression: Annotated[str, arg(metavar="NAME")] = "",
    glasses: Annotated[str, arg(metavar="KIND")] = "",
    beard: Annotated[str, arg(metavar="KIND")] = "",
    outfit: Annotated[str, arg(metavar="NAME")] = "",
    look: Annotated[str | None, arg(metavar="NAME")] = None,
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Change a built avatar, and hand it over again: digitalme edit me/ "red hair and round glasses", or with flags.

    Args:
        built: The folder that `build` wrote.
        words: What is to be other, in English or Chinese: "short green hair, no glasses", "红色短发，戴圆框眼镜".
        hair: short, bob, long, ponytail, twintails, bun, curly, afro, buzz or bald.
        hair_color: A colour's word: auburn, black, blond, pink and others.
        eyes: The colour of the eyes.
        age: Years, or child, teen, young, adult, middle, old.
        expression: What the face feels while it speaks: neutral, happy, sad, angry, surprised, afraid, disgusted.
        glasses: none, round, square or sunglasses.
        beard: none, stubble, moustache, goatee or full.
        outfit: tshirt, hoodie, dress, skirt or none.
        look: photo, studio, moe, toon or chibi. Default: as built, but studio where a photograph itself moved.
        out: The folder to write to. Default: BUILT-edited.
        options: How to run.
    """
    from digitalme import editing, product

    found = product.Built.read(built)
    flags = {
        "hair_style": hair, "hair_color": hair_color, "eye_color": eyes, "age": age, "expression": expression,
        "glasses": glasses, "beard": beard,
    }  # fmt: skip
    changes = editing.wanted(words, {name: value for name, value in flags.items() if value})
    settings = editing.settings_of(found, changes, outfit, look)
    out = out or built.absolute().with_name(built.absolute().name + "-edited")
    with _how(options) as how:
        done = product.edit(found, settings, out, how)
    made = [name for name in done.keys if name in done.pipeline.nodes and name not in done.cached]
    _say(f"{out}: {', '.join(f'{name} {value}' for name, value in changes.items()) or 'as told'}")
    _say(f"made anew: {', '.join(made) or 'nothing'}")


def export(
    built: Positional[Path],
    to: tuple[str, ...] = ("glb",),
    profile: Annotated[str | None, arg(metavar="NAME")] = None,
    pose: Annotated[str | None, arg(metavar="NAME")] = None,
    triangles: Annotated[int | None, arg(metavar="NUMBER")] = None,
    levels: Annotated[tuple[int, ...], arg(metavar="NUMBER")] = (),
    texture_size: Annotated[int | None, arg(metavar="NUMBER")] = None,
    image_format: Annotated[str | None, arg(metavar="NAME")] = None,
    compress: Annotated[str | None, arg(metavar="NAME")] = None,
    web: bool = False,
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Write a built avatar in other formats: digitalme export me/ --to glb vrm

    Args:
        built: The folder that `build` wrote.
        to: glb, vrm, vrma, usd, obj, fbx; of the performance alone livelink (CSV) and bvh; nerfstudio: pictures, masks
            and cameras of a build from several photos or a video.
        profile: Names of the bones: rpm (Ready Player Me) or mixamo.
        pose: Bind pose: T or A.
        triangles: About so many at most: 70000, 30000, 10000, 3000.
        levels: Triangles of several levels of detail, most first; files are named avatar_LOD0, avatar_LOD1, ….
        texture_size: Longest side of a texture, pixels.
        image_format: Textures as jpeg, png or webp.
        compress: Numbers of a GLB packed: none, meshopt or draco.
        web: A GLB for web pages, below 5 MB: webp textures of 1024 pixels, meshopt, normals that follow the face.
        out: The folder to write to. Default: the built folder.
        options: How to run.
    """
    from digitalme import product
    from digitalme.exporters.options import FOR_THE_WEB

    found = product.Built.read(built)
    chosen: dict[str, Any] = {"profile": profile, "pose": pose, "triangles": triangles, "texture_size": texture_size}
    chosen |= {"image_format": image_format, "compress": compress, "levels": levels or None}
    if "nerfstudio" in to:
        _extra(found, "scene", "*", out or built / "nerfstudio", options)
        to = tuple(name for name in to if name != "nerfstudio")
        if not to:
            return
    knobs: dict[str, Any] = {"formats": list(to)} | (FOR_THE_WEB if web else {})
    knobs |= {name: value for name, value in chosen.items() if value is not None}
    with _how(options, {"export": knobs}) as how:
        done = product.remake(found, "exports", out or built, how)
    for path in done.load("exports").files:
        _say(str((out or built) / path))


def nerf(
    built: Positional[Path],
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Train a small radiance field of a build from several photos or a video, and measure it on pictures held out.

    Args:
        built: The folder that `build` wrote.
        out: The folder to write to. Default: built/nerf.
        options: How to run.
    """
    from digitalme import product

    done = _extra(product.Built.read(built), "radiance", "*", out or built / "nerf", options)
    for each in done.load("radiance").held_out:
        _say(f"  {each.name}: {each.psnr:.1f} dB (its mean colour: {each.control:.1f} dB)")


def _extra(found: Built, artifact: str, files: str, out: Path, options: Options) -> Run:
    """Make what a build leaves out, and hand its files over."""
    from digitalme import product
    from digitalme.pipeline import read_pipeline

    if artifact not in read_pipeline(found.pipeline).nodes:
        raise InputError(f"{found.folder}: was built from one picture; this needs --selfie with several, or --video")
    with _how(options) as how:
        done = product.remake(found, artifact, out, how, files)
    for path in sorted(out.iterdir()):
        _say(str(path))
    return done


def live(
    built: Positional[Path],
    port: Annotated[int, arg(metavar="NUMBER")] = 7861,
    no_browser: bool = False,
) -> None:
    """Open a page where a built avatar speaks along with your voice or with text: digitalme live me/

    Args:
        built: The folder that `build` wrote.
        port: The port of the page, on this computer only; 0 takes a free one.
        no_browser: Tell the address, and open no browser.
    """
    import tempfile

    from digitalme import product
    from digitalme.artifacts import Avatar
    from digitalme.studio.guard import missing, serve

    try:
        from digitalme.studio.live_app import open_live
    except ImportError:
        raise missing() from None
    found = product.Built.read(built)
    if "avatar" not in found.keys:
        raise InputError(f"{built}: this build made no avatar; build again without --until")
    avatar = found.store.load(found.keys["avatar"], Avatar)
    with tempfile.TemporaryDirectory() as scratch:
        serve(open_live(avatar, Path(scratch)), port, not no_browser, _say)


def studio(
    out: Path = Path("digitalme-studio"),
    port: Annotated[int, arg(metavar="NUMBER")] = 7860,
    store: Annotated[Path | None, arg(metavar="PATH")] = None,
    no_browser: bool = False,
) -> None:
    """Open a page to make an avatar in: digitalme studio

    Args:
        out: The folder that each avatar gets a folder in.
        port: The port of the page, on this computer only; 0 takes a free one.
        store: Where artifacts are kept between runs. Default: as for `build`.
        no_browser: Tell the address, and open no browser.
    """
    from digitalme.studio.guard import missing, serve

    try:
        from digitalme.studio.studio_app import open_studio
    except ImportError:
        raise missing() from None
    serve(open_studio(out, store), port, not no_browser, _say)


def stages(pipeline: str = "default", mermaid: bool = False) -> None:
    """List the stages with their inputs, outputs and knobs.

    Args:
        pipeline: A pipeline of configs/pipelines, or the path of a TOML file.
        mermaid: Draw the graph as a Mermaid flowchart instead.
    """
    from digitalme.pipeline import read_pipeline

    graph = read_pipeline(pipeline)
    _say(graph.mermaid() if mermaid else graph.describe())


def show(built: Positional[Path], stage: Positional[str | None] = None) -> None:
    """Tell what a build's stages made: files, preview, timing, knobs.

    Args:
        built: The folder that `build` wrote.
        stage: One stage, or artifact, in detail.
    """
    from digitalme import product

    for line in product.describe(product.Built.read(built), stage):
        _say(line)


def evaluate(
    built: Positional[Path],
    options: OmitArgPrefixes[Options] = Options(),
) -> None:
    """Measure a built avatar against the photo and the voice that it was made from.

    Args:
        built: The folder that `build` wrote.
        options: How to run.
    """
    from digitalme import product

    found = product.Built.read(built)
    with _how(options) as how:
        done = product.remake(found, "scorecard", built, how)
    _say_scores(done.load("scorecard"))


def dataset(
    action: Positional[Literal["make", "import"]],
    folder: Positional[Path],
    out: Positional[Path | None] = None,
    count: int = 4000,
    size: int = 128,
    seed: int = 0,
    looks: tuple[str, ...] = ("photo",),
    balanced: bool = False,
    workers: int = 2,
) -> None:
    """Make pictures with words to train on: digitalme dataset make DATA, or: digitalme dataset import PICTURES DATA

    Args:
        action: make renders people who never lived; import takes your own pictures, named or with a JSON file each.
        folder: The folder to write to; for import the folder of pictures.
        out: For import the folder to write to.
        count: How many pictures.
        size: Their width and height, pixels.
        seed: Another seed gives other people.
        looks: photo, moe, or both in turn.
        balanced: Every value of an attribute equally often, seen as the video shows somebody: for the classifier.
        workers: Processes that render.
    """
    from digitalme.events import Event
    from digitalme.progress_bar import ProgressBar
    from digitalme.training.dataset import Recipe, import_folder, make_dataset

    if action == "import":
        if out is None:
            raise InputError("dataset import: expected two folders, the pictures' and the one to write to")
        _say(f"{import_folder(folder, out, size)} pictures in {out}")
        return
    with ProgressBar() as bar:
        recipe = Recipe(count, size, seed, looks, balanced)
        make_dataset(folder, recipe, workers, lambda done, all_: bar(Event("shards", "progress", done, all_)))
    _say(f"{folder}/preview.png")


def train(
    recipe: Positional[str],
    data: Positional[Path],
    out: Annotated[Path | None, arg(metavar="PATH")] = None,
    coder: Annotated[Path | None, arg(metavar="PATH")] = None,
    minutes: Annotated[float | None, arg(metavar="NUMBER")] = None,
) -> None:
    """Train a network of digitalme's own: digitalme train coder DATA, then gan, diffusion, pair, classifier.

    Args:
        recipe: A recipe of configs/training, or the path of a TOML file. tiny_... takes seconds.
        data: What `digitalme dataset` made.
        out: The run's folder; a run that was stopped goes on. Default: runs/RECIPE.
        coder: The coder's weights, for gan and diffusion. Default: those that ship.
        minutes: Stop after so long.
    """
    from digitalme.training.recipes import run_recipe

    out = out or Path("runs") / Path(recipe).stem
    done = run_recipe(recipe, data, out, coder, {} if minutes is None else {"minutes": minutes}, _say)
    _say(f"{out}/model.safetensors: {done['steps']:.0f} steps in {done['seconds']:.0f} s")


def doctor() -> None:
    """Tell what is installed, which renderer will be used, what is missing and how to get it."""
    from digitalme.doctor import diagnose

    for line in diagnose():
        _say(line)


def licenses(pipeline: str = "default", json: bool = False) -> None:
    """List every library, model and data file that a build uses, with its licence.

    Args:
        pipeline: A pipeline of configs/pipelines, or the path of a TOML file.
        json: As JSON.
    """
    from digitalme.licenses import as_json, as_text, used_by

    items = used_by(pipeline)
    _say(as_json(items) if json else as_text(items))


def forget(built: Positional[Path]) -> None:
    """Remove all that was made of a build's photo and voice from the store. Your own files stay.

    Args:
        built: The folder that `build` wrote.
    """
    from digitalme import product
    from digitalme.forget import forget as removed

    found = product.Built.read(built)
    gone = removed(found.store, found.keys.values())
    shutil.rmtree(built / "run")
    product.sweep_drafts(built)
    _say(f"removed {gone.artifacts} artifacts of {gone.runs} runs, {gone.bytes:,} bytes, from {found.store.root}")
    if gone.left:
        raise DigitalMeError("still there: " + ", ".join(gone.left))
    _say(f"searched the store: nothing of it is left. What was handed over stays in {built}")


def consent(
    photo: Positional[Path],
    statement: str,
    subject: str = "",
    out: Path = Path("consent.json"),
    key: Annotated[Path | None, arg(metavar="PATH")] = None,
) -> None:
    """Write a signed record of what a person agreed to, for `build --consent consent.json`.

    Args:
        photo: The photo that it is about.
        statement: What was agreed to.
        subject: Who is in the photo.
        out: The file to write.
        key: An Ed25519 key as a PEM file. Default: your own, made at the first use.
    """
    import json

    from digitalme.product import LARGEST_PHOTO, read_source
    from digitalme.trust.consent import signed_record

    record = signed_record(statement, subject, read_source(photo, "photo", LARGEST_PHOTO), key)
    out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _say(f"{out}  signed under {record['public_key'][:16]}...")


def block(photo: Positional[Path], name: Positional[str]) -> None:
    """Put a person on your block list: no build makes that face from then on.

    Args:
        photo: A photo of the person. Only 128 numbers that describe the face are kept.
        name: What the list calls the person; a second photo under the same name is added.
    """
    from digitalme import product

    _say(f"{product.block(photo, name)}  (remove the file to take them off)")


def verify(file: Positional[Path]) -> None:
    """Tell what is true of a file: its signature, its watermark. Exit code 1 where it was tampered with.

    Args:
        file: A video, a picture or an exported avatar.
    """
    from digitalme.trust.provenance import verify as findings_of

    if not file.is_file():
        raise InputError(f"{file}: no such file")
    findings = findings_of(file)
    for finding in findings:
        sign = {True: "yes", False: "NO", None: "-"}[finding.holds]
        _say(f"{finding.what:10} {sign:4} {finding.words}")
    if any(finding.holds is False for finding in findings):
        raise DigitalMeError(f"{file}: is not as it was made")


def batch(
    table: Positional[Path],
    out: Path = Path("many"),
    workers: int = 1,
    scheduler: str = "",
    store: str = "",
    look: str = "",
    consent: str = "",
    retry: bool = False,
) -> None:
    """Build many people from a table: digitalme batch people.csv --out many/ --workers 2. Run it again to go on.

    Args:
        table: A CSV file with a row for each person: name, selfie or prompt, voice or say, look, consent, stage.knob.
        out: The folder to write to: one inside it for each person, and index.html.
        workers: How many people are made at once, each by a process of its own.
        scheduler: The address of a Dask scheduler (tcp://...) whose machines see the same files.
        store: Where artifacts are kept: a folder, or an fsspec address such as s3://bucket/folder.
        look: The look of who has none in the table.
        consent: The consent of who has none in the table, in words or as a JSON record.
        retry: Try those again that failed the last time.
    """
    from digitalme import batch as many
    from digitalme.service.queue import Queue

    defaults = {name: value for name, value in (("look", look), ("consent", consent)) if value}
    people = many.read_table(table, out.absolute(), defaults, store)
    try:
        queue = Queue(out.absolute() / many.QUEUE)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); choose another folder") from None
    many.enqueue(people, queue)
    if retry:
        queue.retry()
    told: set[str] = {job.id for job in queue.jobs() if job.state in ("done", "failed")}
    before = len(told)

    def tell() -> None:
        news = [job for job in queue.jobs() if job.state in ("done", "failed") and job.id not in told]
        for job in news:
            told.add(job.id)
            took = f"{job.finished - job.started:.1f} s" if job.state == "done" else job.message
            _say(f"[{len(told)}/{len(people)}] {job.name}: {job.state} {took}")
        if news:
            many.write_page(queue, out.absolute(), table.stem)

    if before:
        _say(f"{before} of {len(people)} were made or refused before")
    try:
        lost = many.run_on_cluster(queue, scheduler, tell) if scheduler else many.run_here(queue, workers, tell)
    finally:
        tell()
        many.write_page(queue, out.absolute(), table.stem)
    counts = queue.counts()
    _say(f"{counts['done']} done, {counts['failed']} failed, {lost} workers died: {out / many.PAGE}")
    if counts["failed"]:
        raise DigitalMeError(f"{counts['failed']} of {len(people)} were not made; {out / many.PAGE} says why")


def serve(
    folder: Path = Path("served"),
    host: str = "127.0.0.1",
    port: int = 8321,
    workers: int = 1,
    tokens: Annotated[Path | None, arg(metavar="PATH")] = None,
    per_minute: int = 120,
    root_path: str = "",
) -> None:
    """Serve avatars over HTTP: upload a photo, ask how it stands, fetch the files. See /docs of the service.

    Args:
        folder: Where users' files, their stores and the queue are. The queue survives a restart.
        host: The address to listen at. Without --tokens only this computer's own.
        port: The port to listen at.
        workers: How many avatars are made at once.
        tokens: A file with a line `owner token` for each user.
        per_minute: Requests that a user may make in a minute.
        root_path: The path that a proxy in front puts before ours.
    """
    from digitalme.service.api import ServeConfig, read_tokens
    from digitalme.service.api import serve as run_service

    known = read_tokens(tokens) if tokens else {}
    _say(f"http://{host}:{port}/docs")
    run_service(ServeConfig(folder.absolute(), workers, known, per_minute=per_minute), host, port, root_path)


COMMANDS: dict[str, Any] = {
    "build": build,
    "demo": demo,
    "talk": talk,
    "edit": edit,
    "render": render,
    "export": export,
    "nerf": nerf,
    "live": live,
    "studio": studio,
    "stages": stages,
    "show": show,
    "eval": evaluate,
    "dataset": dataset,
    "train": train,
    "doctor": doctor,
    "licenses": licenses,
    "batch": batch,
    "serve": serve,
    "verify": verify,
    "consent": consent,
    "block": block,
    "forget": forget,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # The C++ libraries behind the face detector log to stderr what no user can act on.
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="digitalme",
            description=DESCRIPTION,
            args=arguments,
            sort_subcommands=False,
            config=(FlagCreatePairsOff,),
        )
    except DigitalMeError as error:
        return _failed(str(error), 2 if isinstance(error, InputError) else 1, arguments)
    except OSError as error:
        return _failed(f"{type(error).__name__}: {error}", 1, arguments)
    except KeyboardInterrupt:
        return _failed("stopped; what was finished is kept", 130, arguments)
    return 0


def _failed(message: str, code: int, arguments: list[str]) -> int:
    if "--traceback" in arguments:
        traceback.print_exc()
    print(printable(f"digitalme: {message}"), file=sys.stderr)
    return code


def printable(text: str) -> str:
    """Text without the control characters that a file's name may smuggle to the terminal."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\N{REPLACEMENT CHARACTER}", text)


def _say(line: str) -> None:
    print(printable(line))


def _say_scores(card) -> None:
    for score in card.scores:
        value = "not measured" if score.value is None else f"{score.value:.3g} {score.unit}"
        _say(f"  {score.name}: {value} (wanted {score.wanted}) {score.note}".rstrip())


def _settings(options: Options) -> dict[str, dict]:
    from digitalme.config import parse_settings, read_toml
    from digitalme.product import merged

    return merged(read_toml(options.config) if options.config else {}, parse_settings(options.set))


def _uses(uses: Sequence[str]) -> dict[str, Path]:
    parsed = {}
    for use in uses:
        name, equals, path = use.partition("=")
        if not (name and equals and path):
            raise InputError(f"--use {use}: expected ARTIFACT=FILE, for example portrait=edited.png")
        parsed[name] = Path(path)
    return parsed


class _how:
    """Progress bar and knobs for the commands that work on a built folder."""

    def __init__(self, options: Options, extra: dict | None = None) -> None:
        from digitalme.progress_bar import ProgressBar

        self._options, self._extra, self._bar = options, extra or {}, ProgressBar(options.quiet)

    def __enter__(self) -> How:
        from digitalme.product import How, merged

        settings = merged(self._extra, _settings(self._options))
        return How(store=self._options.store, settings=settings, on_event=self._bar.__enter__())

    def __exit__(self, *error) -> None:
        self._bar.__exit__(*error)


if __name__ == "__main__":
    sys.exit(main())
