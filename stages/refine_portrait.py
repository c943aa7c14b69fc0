"""refine_portrait: a draft becomes a photo of a size that a face can be read from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from pathlib import Path

import cv2
import numpy as np

from digitalme.artifacts import Draft, Photo
from digitalme.errors import InputError, MissingExtraError
from digitalme.imaging.photo_files import decode_photo
from digitalme.models.condition import PLAIN_VIEW, condition_of
from digitalme.paths import asset
from digitalme.trust.content import check_image

HINT = 'refining needs torch and diffusers: pip install "digitalme[generate]"'


@dataclass(frozen=True)
class RefinePortraitConfig:
    """What works over the draft."""

    model: str = "auto"
    """"own": the latent diffusion model that ships; "none"; the folder of any diffusers pipeline (image to image, inpaint, ControlNet); "auto": own for drafts of the GAN, none for those of the body model."""  # noqa: E501
    strength: float = 0.45
    """How much is drawn anew: 0 nothing, 1 everything."""
    guidance: float = 2.0
    """How strictly the words are followed; 1 leaves the model alone."""
    steps: int = 20
    """Steps of the sampler."""
    size: int = 512
    """Width and height of the photo, pixels."""
    content_check: bool = True
    """Refuse a picture that a network drew and that is not safe to show; off for private use, which is recorded."""
    ip_adapter: str = ""
    """With a pipeline's folder as model: an IP-Adapter's weights (not FaceID), its image_encoder/ beside it."""
    reference: str = ""
    """The picture whose manner an IP-Adapter brings in."""
    ip_scale: float = 0.6
    """How strongly."""


def refine_portrait(
    draft: Draft, config: RefinePortraitConfig = RefinePortraitConfig(), sketch: Photo | None = None
) -> Photo:
    """Draw the draft anew and enlarge it; a ControlNet follows the `sketch`.

    Raises InputError, or MissingExtraError where torch is missing.
    """
    if not 0 <= config.strength <= 1 or not 128 <= config.size <= 2048 or not 1 <= config.steps <= 200:
        raise InputError("expected strength in 0..1, size in 128..2048 and steps in 1..200")
    model = config.model
    if model == "auto":
        model = "own" if draft.source == "networks" else "none"
    image = draft.image
    if model != "none":
        if util.find_spec("torch") is None or util.find_spec("diffusers") is None:
            raise MissingExtraError(HINT)
        image = _by_own(draft, config) if model == "own" else _by_pipeline(draft, config, sketch)
        check_image(image, "the drawn portrait", private=not config.content_check)
    image = enlarged(image, config.size)
    return Photo(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes(), "generated.png")


def _by_own(draft: Draft, config: RefinePortraitConfig) -> np.ndarray:
    from digitalme.models.sampling import refined_portrait

    small = cv2.resize(draft.image, (128, 128), interpolation=cv2.INTER_AREA)
    asked = draft.attributes | {"look": "photo", "expression": "neutral"}
    weights = (asset("models/coder.safetensors"), asset("models/diffusion.safetensors"))
    return refined_portrait(
        *weights, small, condition_of(asked, PLAIN_VIEW), draft.seed, config.strength, config.steps, config.guidance
    )


def _by_pipeline(draft: Draft, config: RefinePortraitConfig, sketch: Photo | None) -> np.ndarray:
    from digitalme.models.pipelines import Reference, Sampling, refine_with_pipeline

    if bool(config.ip_adapter) != bool(config.reference):
        raise InputError("refine_portrait: ip_adapter and reference go together; expected both, or neither")
    reference = None
    if config.ip_adapter:
        path = Path(config.reference)
        if not path.is_file():
            raise InputError(f"refine_portrait.reference: {path}: no such file")
        picture = decode_photo(path.read_bytes(), path.name).image
        check_image(picture, "refine_portrait.reference", private=not config.content_check)
        reference = Reference(config.ip_adapter, picture, config.ip_scale)
    lines = None if sketch is None else decode_photo(sketch.data, sketch.name).image
    how = Sampling(draft.seed, config.strength, config.steps, config.guidance)
    return refine_with_pipeline(config.model, draft.image, draft.attributes, how, lines, reference)


def enlarged(image: np.ndarray, size: int) -> np.ndarray:
    """The picture at this size, its edges a little steeper than a plain enlargement leaves them."""
    if image.shape[0] == size:
        return image
    grown = cv2.resize(image, (size, size), interpolation=cv2.INTER_LANCZOS4).astype(np.float32)
    soft = cv2.GaussianBlur(grown, (0, 0), size / image.shape[0] * 0.6)
    return np.clip(grown + 0.5 * (grown - soft), 0, 255).round().astype(np.uint8)
