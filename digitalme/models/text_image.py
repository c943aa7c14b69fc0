"""Text and pictures in one space (Radford et al. 2021, "CLIP"), small; and a classifier of attributes.

The text side reads single characters of either language with a small transformer; the picture side is a convolutional
net on 64 x 64 pixels, whose features also serve as the space that FID and its kin are measured in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digitalme.body.attributes import ATTRIBUTES

SIDE = 64
VIEW_SIDE, VIEWS = 96, 4
"""Side and number of the views that the classifier looks at (digitalme.models.views)."""
LONGEST = 96
CODES = 1024
"""Characters are told apart by their code point's remainder: all of ASCII, and the few Chinese signs of captions."""


class Trunk(nn.Module):
    """(n, 3, s, s) in -1..1 to features (n, width): five strided convolutions."""

    def __init__(self, widths: Sequence[int] = (24, 48, 96, 128), width: int = 128, side: int = SIDE) -> None:
        super().__init__()
        self.side = side
        sizes = [3, *widths]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths)
        self.out = nn.Linear(widths[-1] * (side // 2 ** len(widths)) ** 2, width)

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures
        if x.shape[-1] != self.side:
            x = F.interpolate(x, (self.side, self.side), mode="area")
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.gelu(norm(layer(x)))
        return self.out(x.flatten(1))


class TextImagePair(nn.Module):
    """Unit vectors of pictures and of captions; those that belong together lie close."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.trunk = Trunk(width=width)
        self.letters, self.places = nn.Embedding(CODES, width, 0), nn.Parameter(torch.randn(LONGEST, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.reader = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.scale = nn.Parameter(torch.tensor(2.5))

    def of_pictures(self, pictures: Tensor) -> Tensor:
        return F.normalize(self.trunk(pictures), dim=1)

    def of_texts(self, codes: Tensor) -> Tensor:
        empty = codes == 0
        x = self.reader(self.letters(codes) + self.places[: codes.shape[1]], src_key_padding_mask=empty)
        x = x * (~empty)[..., None]
        return F.normalize(x.sum(1) / (~empty).sum(1, keepdim=True).clamp(1), dim=1)

    def loss(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """CLIP's symmetric cross entropy over a batch."""
        likeness = self.scale.exp().clamp(max=50) * self.of_pictures(pictures) @ self.of_texts(codes).T
        same = torch.arange(len(likeness))
        return (F.cross_entropy(likeness, same) + F.cross_entropy(likeness.T, same)) / 2


def codes_of(texts: Sequence[str]) -> Tensor:
    """Characters as numbers (n, LONGEST), 0 where a text has ended."""
    codes = torch.zeros(len(texts), LONGEST, dtype=torch.long)
    for row, text in enumerate(texts):
        for column, letter in enumerate(text.lower()[:LONGEST]):
            codes[row, column] = 1 + ord(letter) % (CODES - 1)
    return codes


class AttributeClassifier(nn.Module):
    """A head for each attribute of ATTRIBUTES over the views of digitalme.models.views, each with its own trunk."""

    def __init__(self, width: int = 96, views: int = VIEWS) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(Trunk(width=width, side=VIEW_SIDE) for _ in range(views))
        self.heads = nn.ModuleDict({name: nn.Linear(views * width, len(v)) for name, v in ATTRIBUTES.items()})
        self.forget = nn.Dropout(0.4)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """Scores of each attribute's values, of views (n, views, 3, VIEW_SIDE, VIEW_SIDE)."""
        parts = [trunk(views[:, i]) for i, trunk in enumerate(self.trunks)]
        features = self.forget(F.gelu(torch.cat(parts, 1)))
        return {name: head(features) for name, head in self.heads.items()}

    def loss(self, views: Tensor, condition: Tensor) -> Tensor:
        start, total = 0, torch.zeros(())
        scores = self(views)
        for name, values in ATTRIBUTES.items():
            wanted = condition[:, start : start + len(values)]
            start += len(values)
            wanted = 0.95 * wanted + 0.05 / len(values) * wanted.sum(1, keepdim=True)  # never quite sure
            total = total - (wanted * scores[name].log_softmax(1)).sum(1).mean()
        return total / len(ATTRIBUTES)

    @torch.no_grad()
    def words(self, views: Tensor) -> list[dict[str, str]]:
        """The likeliest value of each attribute."""
        picks = {name: score.argmax(1).tolist() for name, score in self(views).items()}
        return [{name: ATTRIBUTES[name][pick[i]] for name, pick in picks.items()} for i in range(len(views))]
