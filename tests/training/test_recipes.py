"""The tiny recipes learn, and a run that was stopped goes on as if it had not been."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from digitalme.body.people import random_person
from digitalme.errors import InputError
from digitalme.models.condition import condition_of
from digitalme.text.captions import caption
from digitalme.training import dataset
from digitalme.training.recipes import recipe_path, run_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from safetensors.torch import load_file  # noqa: E402

from digitalme.models.sampling import load_coder, to_tensor  # noqa: E402


def drawn_people(folder: Path, count: int, size: int) -> Path:
    """A data set whose pictures are discs in the colours of hair and skin: attributes that can be seen at any size."""
    images, conditions, lines = [], [], []
    y, x = np.mgrid[:size, :size] / size - 0.5
    for number in range(count):
        person = random_person(number)
        picture = np.full((size, size, 3), 0.5)
        picture[np.hypot(x, y + 0.1) < 0.4] = person.hair_color
        picture[np.hypot(x, y - 0.05) < 0.25] = person.skin_color
        images.append(np.round(picture * 255).astype(np.uint8))
        conditions.append(condition_of(person.attributes))
        lines.append({"number": number, "identity": number, "split": ("train", "test", "train")[number % 3],
                      "en": caption(person.attributes), "zh": caption(person.attributes, "zh"),
                      "attributes": person.attributes})  # fmt: skip
    dataset._settle(folder, {"kind": "made", "count": count})
    dataset._write_shard(folder, 0, images, conditions, lines)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return drawn_people(tmp_path_factory.mktemp("data") / "set", 96, 32)


@pytest.fixture(scope="module")
def coder(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("coder")
    lines = data / "00000.jsonl"
    lines.write_text(lines.read_text().replace('"test"', '"validation"'))
    run_recipe("tiny_coder", data, out, say=lambda line: None)
    return out


def losses(folder: Path, name: str = "loss") -> list[float]:
    with (folder / "log.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_the_coder_learns_what_the_components_leave_out(coder, data):
    found = losses(coder)
    assert found[-1] < found[0]
    net = load_coder(coder / "model.safetensors")
    pictures = to_tensor(dataset.read_split(data, "train").images)
    with torch.no_grad():
        latents = net.encode(pictures)
        plain, refined = ((made - pictures).abs().mean() for made in (net.mosaic(latents), net.decode(latents)))
    assert refined < plain
    assert (coder / "loss.png").is_file()
    assert list((coder / "samples").glob("*.png"))


def test_the_vae_learns_and_diffusion_works_on_its_latents(data, coder, tmp_path):
    run_recipe("tiny_vae", data, tmp_path / "vae", say=lambda line: None)
    found = losses(tmp_path / "vae")
    assert found[-1] < 0.75 * found[0]
    vae = load_coder(tmp_path / "vae" / "model.safetensors")
    pictures = to_tensor(dataset.read_split(data, "train").images)
    with torch.no_grad():
        latents = vae.encode(pictures)
        assert latents.shape[1:] == (4, 4, 4)
        assert latents.std().item() == pytest.approx(1, abs=0.25)
        assert (vae.decode(latents) - pictures).abs().mean() < 0.75 * (pictures - pictures.mean(0)).abs().mean()
    run_recipe("tiny_diffusion", data, tmp_path / "diffusion", tmp_path / "vae" / "model.safetensors",
               {"steps": 12, "log_every": 6}, say=lambda line: None)  # fmt: skip
    assert (tmp_path / "diffusion" / "model.safetensors").is_file()


@pytest.mark.parametrize("name", ["tiny_pair", "tiny_classifier"])
def test_words_and_pictures_are_learnt(name, data, tmp_path):
    run_recipe(name, data, tmp_path, say=lambda line: None)
    found = losses(tmp_path)
    assert found[-1] < 0.93 * found[0]


def test_a_classifier_goes_on_from_other_weights(data, tmp_path):
    quiet = {"say": lambda line: None}
    run_recipe("tiny_classifier", data, tmp_path / "first", changes={"steps": 4}, **quiet)
    start = tmp_path / "first" / "model.safetensors"
    still = {"steps": 1, "rate": 0.0, "start": str(start)}
    run_recipe("tiny_classifier", data, tmp_path / "again", changes=still, **quiet)
    run_recipe("tiny_classifier", data, tmp_path / "anew", changes=still | {"start": "", "seed": 9}, **quiet)
    first, again, anew = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "again", "anew"))
    names = [name for name in first if name.startswith("heads.")]
    assert all(torch.equal(first[name], again[name]) for name in names)
    assert not all(torch.equal(first[name], anew[name]) for name in names)
    with pytest.raises(InputError, match="train those weights first"):
        run_recipe("tiny_classifier", data, tmp_path / "none", changes={"start": "nowhere.safetensors"}, **quiet)


def test_diffusion_learns_beyond_the_gaussian(data, coder, tmp_path):
    run_recipe("tiny_diffusion", data, tmp_path, coder / "model.safetensors", say=lambda line: None)
    found = losses(tmp_path)
    assert found[-1] < 0.97 * found[0]


def test_the_gan_learns_and_does_not_collapse(tmp_path):
    data = drawn_people(tmp_path / "set", 48, 16)
    run_recipe("tiny_gan", data, tmp_path / "run", say=lambda line: None)
    assert losses(tmp_path / "run", "discriminator")[-1] < 1.35  # 2 log 2 = 1.386 is guessing
    assert losses(tmp_path / "run", "spread")[-1] > 0.3


def test_a_stopped_run_goes_on_as_if_it_had_not_been(data, coder, tmp_path):
    weights = coder / "model.safetensors"
    quiet = {"say": lambda line: None}
    run_recipe("tiny_diffusion", data, tmp_path / "whole", weights, {"steps": 12, "log_every": 4}, **quiet)
    task_changes = {"steps": 12, "log_every": 4}
    # stopped after 8 of 12 steps: the schedule is the whole run's, so only the loop is cut short
    from digitalme.training import loop

    original = loop.Plan
    loop.Plan = lambda steps, *rest: original(8, *rest)  # type: ignore[assignment]
    try:
        run_recipe("tiny_diffusion", data, tmp_path / "parts", weights, task_changes | {"minutes": 1e9}, **quiet)
    finally:
        loop.Plan = original
    assert (tmp_path / "parts" / "state.safetensors").is_file()
    run_recipe("tiny_diffusion", data, tmp_path / "parts", weights, task_changes, **quiet)
    whole, parts = losses(tmp_path / "whole"), losses(tmp_path / "parts")
    assert len(parts) == len(whole)
    assert parts[-1] == pytest.approx(whole[-1], rel=0.05)


def test_an_unknown_recipe_is_named_with_its_likes():
    with pytest.raises(InputError, match=r"no recipe 'difusion'; did you mean 'diffusion'\?"):
        recipe_path("difusion")
