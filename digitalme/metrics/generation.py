"""How good generated pictures are: distances of two sets of features, their cover of each other, and memorisation.

Features are what digitalme's own text-image encoder sees in a picture, as nothing has to be downloaded for that; so
figures compare with each other, not with those of papers, which use Inception.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import linalg
from scipy.spatial.distance import cdist

Features = Float[np.ndarray, "_ d"]


def frechet_distance(real: Features, made: Features) -> float:
    """FID (Heusel et al. 2017): the Frechet distance of the two sets' Gaussians."""
    mean_a, mean_b = real.mean(0), made.mean(0)
    a, b = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    # the trace of the root of a b equals the sum of roots of the eigenvalues of root(a) b root(a)
    values, vectors = linalg.eigh(a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    common = np.sqrt(np.clip(linalg.eigvalsh(root @ b @ root), 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * common)


def kernel_distance(real: Features, made: Features) -> float:
    """KID (Binkowski et al. 2018): unbiased squared MMD with the kernel (x y / d + 1)^3."""
    d = real.shape[1]

    def kernel(x: Features, y: Features) -> np.ndarray:
        return (x @ y.T / d + 1) ** 3

    n, m = len(real), len(made)
    own = kernel(real, real)
    theirs = kernel(made, made)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (theirs.sum() - np.trace(theirs)) / (m * (m - 1))
    return float(within - 2 * kernel(real, made).mean())


def precision_recall(real: Features, made: Features, neighbours: int = 3) -> tuple[float, float]:
    """Share of made pictures among real ones, and of real ones among made ones (Kynkaanniemi et al. 2019).

    A set's region is the union of balls around its members that reach to the `neighbours`-th nearest other member.
    """

    def inside(points: Features, members: Features) -> float:
        reach = np.sort(cdist(members, members), 1)[:, min(neighbours, len(members) - 1)]
        return float((cdist(points, members) <= reach[None]).any(1).mean())

    return inside(made, real), inside(real, made)


def diversity(real: Features, made: Features) -> float:
    """Mean distance of made pictures from each other over that of real ones: 1 is as varied, 0 all the same."""
    spread = [np.linalg.norm(x[:, None] - x[None], axis=2).sum() / (len(x) * (len(x) - 1)) for x in (made, real)]
    return float(spread[0] / spread[1])


def memorised(train: Features, unseen: Features, made: Features) -> float:
    """Share of made pictures that lie nearer to a training picture than nearly any unseen real one (1st percentile)."""
    usual = np.percentile(cdist(unseen, train).min(1), 1)
    return float((cdist(made, train).min(1) < usual).mean())


def peak_signal_to_noise(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> float:
    """PSNR in dB of pictures in 0..255."""
    error = float(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-12)))
