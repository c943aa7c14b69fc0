"""The networks' parts against what is known of them: shapes, limits, exact cases."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from digitalme.models import gan  # noqa: E402
from digitalme.models.coder import PATCH, Coder  # noqa: E402
from digitalme.models.condition import CONDITION, PLAIN_VIEW, condition_of  # noqa: E402
from digitalme.models.gaussian import GaussianPart, features_of, forgetful  # noqa: E402
from digitalme.models.text_image import TextImagePair, codes_of  # noqa: E402


def test_the_coder_gives_back_what_lies_in_its_components():
    torch.manual_seed(0)
    patterns = torch.randn(5, 3, PATCH, PATCH)
    mixed = torch.einsum("nk,kcyx->ncyx", torch.randn(400, 5), patterns)
    coder = Coder(5, 8)
    coder.fit(mixed)
    with torch.no_grad():
        assert torch.allclose(coder.mosaic(coder.encode(mixed)), mixed, atol=1e-3)
        assert torch.allclose(coder.decode(coder.encode(mixed)), mixed, atol=1e-3)  # the net starts as nothing
        assert coder.encode(mixed).square().mean().sqrt().item() == pytest.approx(1, abs=0.2)


def test_the_gaussian_denoiser_is_the_posterior_mean():
    part = GaussianPart(CONDITION, 3, 3)
    part.directions.copy_(torch.eye(3))
    part.values.copy_(torch.tensor([4.0, 1.0, 0.25]))
    signal, noise = torch.tensor([[0.8]]), torch.tensor([[0.6]])
    found = part.denoised(torch.ones(1, 3), torch.zeros(1, CONDITION), signal, noise)
    wanted = [0.8 * v / (0.64 * v + 0.36) for v in (4.0, 1.0, 0.25)]
    assert np.allclose(found.numpy()[0], wanted, atol=1e-5)


def test_the_gaussian_finds_means_and_directions():
    torch.manual_seed(0)
    condition = torch.from_numpy(np.stack([condition_of({"gender": ("woman", "man")[i % 2]}) for i in range(4000)]))
    data = torch.randn(4000, 2, 1, 2) * torch.tensor([3.0, 0.5]) + (torch.arange(4000) % 2).reshape(-1, 1, 1, 1) * 10.0
    part = GaussianPart(CONDITION, 4, 2)
    part.fit(data, condition)
    means = part.mean(condition[:2])
    assert torch.allclose(means[1] - means[0], torch.full((4,), 10.0), atol=1.0)
    assert part.values.sqrt().mean().item() == pytest.approx(3, rel=0.1)
    assert features_of(condition[:1]).shape == (1, part.weight.shape[0])
    assert forgetful(condition, 1.0).sum() == 0


def tiny() -> tuple[gan.Generator, gan.Discriminator]:
    torch.manual_seed(0)
    return gan.Generator(CONDITION, 3, (8, 8), 4, 8), gan.Discriminator(CONDITION, 3, (8, 8))


def test_the_same_noise_gives_the_same_picture_and_truncation_brings_it_to_the_mean():
    generator, discriminator = tiny()
    generator.eval()
    condition = torch.from_numpy(condition_of({"gender": "man"}, PLAIN_VIEW))[None].repeat(6, 1)
    z = torch.randn(6, 4)
    with torch.no_grad():
        pictures = [generator(z, condition, t, torch.Generator().manual_seed(1)) for t in (1.0, 1.0, 0.3, 0.0)]
        w = generator.mapping(z, condition)[:, None].repeat(1, generator.styles, 1)
        wide = generator.synthesis(w, condition, torch.Generator().manual_seed(1))
        assert discriminator(pictures[0], condition)[0].shape == (6,)
    assert torch.equal(pictures[0], pictures[1])
    assert pictures[0].shape == (6, 3, 8, 8)
    spreads = [float(p.std(0).mean()) for p in pictures]
    assert spreads[0] > spreads[2] > spreads[3]
    assert torch.allclose(wide, pictures[0], atol=1e-5)


def test_losses_know_who_wins():
    good, even = torch.ones(4), torch.zeros(4)
    for kind in ("logistic", "least_squares"):
        assert gan.generator_loss(good, kind) < gan.generator_loss(even, kind)
        assert gan.discriminator_loss(good, even, kind) < gan.discriminator_loss(even, good, kind)
    assert gan.discriminator_loss(even, even).item() == pytest.approx(2 * np.log(2))


def test_penalties_have_gradients_and_collapse_is_seen():
    generator, discriminator = tiny()
    condition, real = torch.zeros(4, CONDITION), torch.randn(4, 3, 8, 8)
    gan.gradient_penalty(discriminator, real, condition).backward()
    assert discriminator.first.weight.grad.abs().sum() > 0
    w = torch.randn(4, 8, requires_grad=True)
    loss, mean = gan.path_length_penalty(generator, w, condition, torch.zeros(()))
    loss.backward()
    assert mean > 0
    assert gan.collapse(torch.zeros(4, 3, 8, 8) + 1e-3 * torch.randn(4, 3, 8, 8), real) < 0.01
    assert gan.collapse(torch.randn(4, 3, 8, 8), real) == pytest.approx(1, abs=0.2)


def test_augmentation_is_off_at_nought_and_adapts():
    real = torch.randn(8, 3, 8, 8)
    assert torch.equal(gan.augmented(real, 0.0), real)
    assert not torch.equal(gan.augmented(real, 1.0), real)
    adaptive = gan.Adaptive(speed=0.1)
    for _ in range(20):
        adaptive.update(torch.ones(8))
    assert adaptive.chance == pytest.approx(adaptive.highest)
    for _ in range(60):
        adaptive.update(-torch.ones(8))
    assert adaptive.chance == 0


def test_a_picture_is_found_again_in_w_plus():
    generator, _ = tiny()
    generator.eval()
    condition = torch.zeros(1, CONDITION)
    with torch.no_grad():
        target = generator(torch.randn(1, 4), condition, 1.0, torch.Generator().manual_seed(0))
        start = generator(torch.randn(1, 4), condition, 1.0, torch.Generator().manual_seed(0))
    styles = gan.invert(generator, target, condition, 150)
    found = generator.synthesis(styles, condition, torch.Generator().manual_seed(0))
    assert (found - target).square().mean() < 0.2 * (start - target).square().mean()


def test_texts_of_either_language_are_read_to_their_end():
    codes = codes_of(["a man", "一个男人", ""])
    assert (codes > 0).sum(1).tolist() == [5, 4, 0]
    pair = TextImagePair(32).eval()
    with torch.no_grad():
        long, short = pair.of_texts(codes_of(["a man", "a man"])), pair.of_texts(codes_of(["a man"])[:, :20])
    assert torch.allclose(long[0], short[0], atol=1e-5)
    assert torch.allclose(long.norm(dim=1), torch.ones(2), atol=1e-5)
