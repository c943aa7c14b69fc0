"""How good generated people are: networks against real test pictures, and whole builds of prompts against their words.

    python tools/bench/generation.py networks DATA [--count 300] [--sheets docs]
    python tools/bench/generation.py prompts FOLDER [--count 100] [--sheets docs]
    python tools/bench/generation.py sampling

`networks` compares the mean picture, the Gaussian, the GAN, and the GAN with diffusion on top with the test split that
none of them saw. `prompts` takes prompts of three attributes each through draft, portrait, likeness and avatar to the
final render, and asks the avatar's parameters, the held-out classifier and FaceMesh. What FOLDER holds is kept: a run
that was stopped goes on. `sampling` times one portrait alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2]))

from digitalme.artifacts.files import read_json, read_png, write_json, write_png
from digitalme.body.attributes import ATTRIBUTES
from digitalme.body.people import EYE_COLORS, HAIR_COLORS, SKIN_TONES, nearest_word, random_person
from digitalme.metrics import generation as metrics
from digitalme.paths import asset
from digitalme.rendering.people import contact_sheet

MODELS = {name: asset("models") / f"{name}.safetensors" for name in ("coder", "gan", "diffusion", "pair", "classifier")}
ALIKE = {  # values that the networks' pictures of 128 pixels do not tell apart count as one
    "age": {"child": "young", "teen": "young", "adult": "young"},
    "glasses": {"round": "glasses", "square": "glasses"},
    "look": dict.fromkeys(ATTRIBUTES["look"], "any"),
    "hair_color": {"silver": "white", "orange": "red"},
    "beard": {"moustache": "beard", "goatee": "beard", "full": "beard"},
    "skin": {"pale": "light"},
}
SEEN = ("gender", "age", "skin", "hair_style", "hair_color", "beard", "glasses")
"""What the classifier is asked about: eyes are two pixels wide in what it sees."""


def alike(name: str, value: str) -> str:
    return ALIKE.get(name, {}).get(value, value)


def full(weights: dict) -> dict:
    """Half-precision weights at full precision."""
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def networks(data: Path, most: int, sheets: Path | None) -> None:
    import torch
    from safetensors.torch import load_file

    from digitalme.models.sampling import load_coder, load_diffusion, load_generator, to_pictures, to_tensor
    from digitalme.models.text_image import AttributeClassifier, TextImagePair
    from digitalme.models.views import views_of
    from digitalme.training.dataset import Examples, read_split

    torch.set_num_threads(1)
    test, train = read_split(data, "test"), read_split(data, "train")
    test = Examples(test.images[:most], test.condition[:most], test.about[:most])
    count = len(test.images)
    condition = torch.from_numpy(test.condition)
    pair, classifier = TextImagePair(), AttributeClassifier()
    for model, name in ((pair, "pair"), (classifier, "classifier")):
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_file(MODELS[name]).items()}
        )
        model.eval()
    coder, gan, diffusion = (
        load_coder(MODELS["coder"]), load_generator(MODELS["gan"]), load_diffusion(MODELS["diffusion"])
    )  # fmt: skip
    noise = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def seen(pictures: np.ndarray) -> np.ndarray:
        parts = [pair.trunk(to_tensor(pictures[i : i + 64])) for i in range(0, len(pictures), 64)]
        return torch.cat(parts).double().numpy()

    @torch.no_grad()
    def right(pictures: np.ndarray) -> float:
        found = [word for i in range(0, len(pictures), 64) for word in classifier.words(views_of(pictures[i : i + 64]))]
        hits = [
            alike(name, words[name]) == alike(name, line["attributes"][name])
            for words, line in zip(found, test.about, strict=True)
            for name in SEEN
        ]
        return float(np.mean(hits))

    with torch.no_grad():
        shape = (count, diffusion.channels, diffusion.size, diffusion.size)
        gaussian = diffusion.gaussian.draw(condition, noise).reshape(shape)
        begun = time.process_time()
        made = gan(torch.randn(count, gan.z, generator=noise), condition, 1.0, noise)
        per_gan = (time.process_time() - begun) / count
        begun = time.process_time()
        refined = diffusion.sample(condition, 0, 20, 1.5, made, 0.6)
        per_refined = (time.process_time() - begun) / count
        alone = diffusion.sample(condition, 0, 20, 1.5)
        drawn = {name: to_pictures(coder.decode(x)) for name, x in (
            ("Gaussian of the conditions", gaussian), ("GAN", made), ("GAN + diffusion", refined),
            ("diffusion alone", alone), ("coder alone (real pictures, coded)", coder.encode(to_tensor(test.images))),
        )}  # fmt: skip
    mean = np.repeat(train.images.mean(0).round().astype(np.uint8)[None], count, 0)
    others = read_split(data, "validation").images[:most]
    rows = {"mean picture": mean, **drawn, "other real pictures (validation)": others}
    real, known = seen(test.images), seen(train.images)
    other = seen(rows["other real pictures (validation)"])
    print("| pictures | FID | KID | precision | recall | diversity | attributes right | memorised |")
    print("|---|---|---|---|---|---|---|---|")
    for name, pictures in rows.items():
        features = seen(pictures)
        precision, recall = metrics.precision_recall(real, features)
        share = right(pictures) if len(pictures) == count and "validation" not in name else float("nan")
        fid, kid = metrics.frechet_distance(real, features), metrics.kernel_distance(real, features)
        print(
            f"| {name} | {fid:.2f} | {kid:.3f} | {precision:.2f} | {recall:.2f} "
            f"| {metrics.diversity(real[:200], features[:200]):.2f} | {share:.2f} "
            f"| {metrics.memorised(known, other, features):.3f} |",
            flush=True,
        )
    print(f"\n{count} test people; the classifier, learnt from others, is right on {right(test.images):.2f} of them")
    print(f"processor seconds a picture: GAN {per_gan:.3f}, refinement in 20 steps {per_refined:.2f} (in one batch)")
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        for file, name in (("gan", "GAN"), ("refined", "GAN + diffusion"), ("diffusion", "diffusion alone")):
            write_jpg(sheets / f"generated_{file}.jpg", contact_sheet(list(rows[name][:64])))
        write_jpg(sheets / "generated_data.jpg", contact_sheet(list(test.images[:64])))


def sampling(times: int = 5) -> None:
    """Seconds that the GAN's draft and its refinement take, one portrait alone: first with loading, then without."""
    import torch

    from digitalme.models.condition import PLAIN_VIEW, condition_of
    from digitalme.models.sampling import draw_portrait, refined_portrait

    torch.set_num_threads(2)
    condition = condition_of(random_person(7).attributes, PLAIN_VIEW)
    gan, refinement = [], []
    for seed in range(times + 1):
        begun = time.perf_counter()
        draft = draw_portrait(MODELS["coder"], MODELS["gan"], condition, seed)
        drawn = time.perf_counter()
        refined_portrait(MODELS["coder"], MODELS["diffusion"], draft, condition, seed)
        gan.append(drawn - begun)
        refinement.append(time.perf_counter() - drawn)
    for name, seconds, wanted in (("GAN", gan, 0.2), ("refinement in 20 steps", refinement, 10)):
        print(f"{name}: {np.median(seconds[1:]):.3f} s (median of {times}; wanted {wanted}), first {seconds[0]:.2f} s")


def write_jpg(path: Path, picture: np.ndarray) -> None:
    path.write_bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


def prompt_of(number: int) -> tuple[str, dict[str, str], str]:
    """A prompt that names three attributes, in English and Chinese by turns; what it names, and its look."""
    from digitalme.text.captions import WORDS, caption

    rng = np.random.default_rng([31, number])
    look = ("photo", "moe")[number % 4 == 3]
    whole = random_person(50_000_000 + number, look).attributes
    names = [name for name in ("gender", "age", "skin", "hair_style", "hair_color", "eye_color", "beard", "glasses")
             if whole[name] in WORDS.get(name, {})]  # fmt: skip
    if whole["hair_style"] == "bald":
        names.remove("hair_color")
    picked = {name: whole[name] for name in rng.choice(names, 3, replace=False)}
    words = caption(picked | ({"look": "moe"} if look == "moe" else {}), ("en", "zh")[number % 2])
    return words, picked, look


def prompts(count: int, folder: Path, sheets: Path | None) -> None:
    """Every prompt through the pipeline's own stages, then the figures. What `folder` holds is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if not (folder / f"{number:03d}.json").is_file():
            write_json(folder / f"{number:03d}.json", _made(number, folder))
    told = [read_json(folder / f"{number:03d}.json") for number in range(count)]
    made = [each for each in told if "error" not in each]
    for each in told:
        wrong = [f"{k} {v} -> {each['carried'][k]}" for k, v in each["asked"].items() if v != each["carried"].get(k)]
        if wrong:
            print(f"{each['words']}: {'; '.join(wrong) if each in made else each['error']}")
    asked = sum(len(each["asked"]) for each in told)
    right = sum(each["carried"].get(name) == value for each in told for name, value in each["asked"].items())
    faces = sum(each["face"] for each in told)
    print(f"{count} prompts of three attributes, English and Chinese by turns, a quarter of them moe:")
    print(f"- by the avatar's parameters {right} of {asked} attributes right ({right / asked:.1%})")
    print(f"- FaceMesh finds the face in {len(made)} of {count} portraits and in {faces} final renders")
    for look in ("photo", "moe"):
        print(
            f"  - {look}: {sum(e['face'] for e in told if e['look'] == look)} of {sum(e['look'] == look for e in told)}"
        )
    _judge(made, folder)
    seconds = [each["seconds"] for each in made]
    print(f"- words to avatar: {np.median(seconds):.1f} s of processor time (median), {max(seconds):.1f} at most")
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        pictures = [cv2.resize(read_png(folder / f"{each['number']:03d}.png"), (160, 160), interpolation=cv2.INTER_AREA)
                    for each in made[:64]]  # fmt: skip
        write_jpg(sheets / "prompted.jpg", contact_sheet(pictures))


def _made(number: int, folder: Path) -> dict:
    """A prompt's avatar, drawn as the video's first frame is, and what it has."""
    from digitalme.artifacts import Text
    from digitalme.errors import DigitalMeError
    from digitalme.imaging.face_detection import face_landmarks
    from digitalme.product import look_settings, wished
    from digitalme.rendering.studio import Studio, portrait_camera
    from digitalme.stages.encode_photo import encode_photo
    from digitalme.stages.encode_text import EncodeTextConfig, encode_text
    from digitalme.stages.generate_portrait import generate_portrait
    from digitalme.stages.groom import GroomConfig, groom
    from digitalme.stages.reconstruct import ReconstructConfig, reconstruct
    from digitalme.stages.refine_portrait import refine_portrait

    words, asked, look = prompt_of(number)
    about = {"number": number, "words": words, "asked": asked, "look": look}
    begun = time.process_time()
    draft = generate_portrait(encode_text(Text(words), EncodeTextConfig("none")))
    try:
        portrait = encode_photo(refine_portrait(draft))
    except DigitalMeError as error:
        return about | {"error": str(error), "carried": {}, "face": False}
    likeness = reconstruct(portrait, ReconstructConfig(1024), draft)
    knobs = look_settings(wished(words)[0])
    avatar = groom(portrait, likeness, GroomConfig(**knobs.get("groom", {})), draft)
    seconds = time.process_time() - begun
    final = knobs["render"]["look"]
    picture = Studio(avatar, final).picture(portrait_camera(avatar), {}, aperture=1.0 if final == "studio" else 0.0)
    write_png(folder / f"{number:03d}.png", picture)
    return about | {
        "carried": carried_by(avatar, draft, likeness), "seconds": seconds, "face": face_landmarks(picture) is not None,
    }  # fmt: skip


def _judge(made: list[dict], folder: Path) -> None:
    """What the held-out classifier sees in the final renders."""
    classifier = _classifier()
    if classifier is None:
        return
    answers = []  # attribute, look, whether right to the word, whether right of what is alike
    missed = []
    for each in made:
        found = classifier(read_png(folder / f"{each['number']:03d}.png"))
        for name, value in each["asked"].items():
            hit = alike(name, found[name]) == alike(name, value)
            answers.append((name, each["look"], found[name] == value, hit))
            if found[name] != value:
                missed.append(f"{each['number']} {name} {value} as {found[name]}{' (alike)' if hit else ''}")
    print("- by the held-out classifier on the final render; to the word, and with values that are alike as one:\n")
    print("| attribute | asked | to the word | alike as one | photo | moe |\n|---|---|---|---|---|---|")

    def share(rows: list[tuple[str, str, bool, bool]], kind: int = 3) -> str:
        right = sum(row[kind] for row in rows)
        return f"{right} of {len(rows)} ({right / len(rows):.0%})" if rows else "-"

    for name in (*dict.fromkeys(row[0] for row in answers), "all"):
        rows = [row for row in answers if name in (row[0], "all")]
        photo, moe = ([row for row in rows if row[1] == look] for look in ("photo", "moe"))
        print(f"| {name} | {len(rows)} | {share(rows, 2)} | {share(rows)} | {share(photo)} | {share(moe)} |")
    print("\n  - " + "; ".join(missed))


def carried_by(avatar, draft, likeness) -> dict[str, str]:
    """What the avatar has: read off its parts, materials and textures, not off what was asked."""
    meshes = {mesh.name for mesh in avatar.meshes}
    frame = next((mesh for mesh in avatar.meshes if mesh.name == "glasses"), None)
    glasses = "none"
    if frame is not None:
        rim = frame.positions[: 36 * 6].reshape(36, 6, 3).mean(1)[:, :2]
        area = cv2.contourArea(rim.astype(np.float32)) / np.prod(np.ptp(rim, 0))  # pi / 4 for an ellipse, 1 for a box
        glasses = "sunglasses" if "lenses" in meshes else ("square" if area > 0.88 else "round")
    beard = "none"
    if avatar.look == "moe":
        beard = draft.attributes["beard"]  # a drawn face has one beard: not told apart
    else:
        beard = draft.attributes["beard"] if has_beard(avatar, draft) == (draft.attributes["beard"] != "none") else "?"
    older, younger = likeness.shape.get("age+", 0.0), likeness.shape.get("age-", 0.0)
    age = "old" if older > 0.6 else "middle" if older > 0.2 else None
    age = age or ("child" if younger > 0.65 else "teen" if younger > 0.33 else "young" if younger > 0.1 else "adult")
    return {
        "gender": "woman" if likeness.shape.get("gender-", 0.0) > likeness.shape.get("gender+", 0.0) else "man",
        "age": age,
        "skin": nearest_word(draft.skin_color if avatar.look == "moe" else skin_of(avatar), SKIN_TONES),
        "hair_style": str(avatar.about["hair_style"]),
        "hair_color": nearest_word(tuple(avatar.about["hair"]), HAIR_COLORS),
        "eye_color": nearest_word(tuple(avatar.about["iris"]), EYE_COLORS),
        "beard": beard,
        "glasses": glasses,
    }


def skin_of(avatar) -> tuple[float, float, float]:
    """The median colour of the head's texture: most of it is plain skin."""
    red, green, blue = np.median(avatar.textures["head"].reshape(-1, 3), 0) / 255
    return float(red), float(green), float(blue)


def has_beard(avatar, draft) -> bool:
    """Whether chin or upper lip of the head's texture are far off the skin's own colour."""
    from digitalme.body.skin import face_maps

    texture = cv2.resize(avatar.textures["head"], (512, 512), interpolation=cv2.INTER_AREA).astype(float) / 255
    field = face_maps(512).beards[draft.attributes["beard"] if draft.attributes["beard"] != "none" else "full"] > 0.7
    return bool(np.abs(texture[field].mean(0) - draft.skin_color).max() > 0.06)


def _classifier():
    if not MODELS["classifier"].is_file():
        return None
    from safetensors.torch import load_file

    from digitalme.models.text_image import AttributeClassifier
    from digitalme.models.views import views_of

    model = AttributeClassifier()
    weights = load_file(MODELS["classifier"])
    model.load_state_dict(full(weights))
    model.eval()
    return lambda picture: model.words(views_of(picture[None]))[0]


def main(
    what: tyro.conf.Positional[Literal["networks", "prompts", "sampling"]],
    data: tyro.conf.Positional[Path | None] = None,
    /,
    count: int | None = None,
    sheets: Path | None = None,
) -> None:
    """Print the figures.

    Args:
        what: networks, prompts or sampling.
        data: For networks what `digitalme dataset make` made; for prompts the folder to work in.
        count: How many prompts (else 100); of how many test people (else all).
        sheets: Where to put sheets of 64 pictures.
    """
    if what == "networks":
        assert data is not None, "networks: expected a data set"
        networks(data, count or 1_000_000, sheets)
    elif what == "sampling":
        sampling()
    else:
        prompts(count or 100, data or Path("prompted"), sheets)


if __name__ == "__main__":
    tyro.cli(main)
