"""Any diffusers pipeline from a local folder, used to draw a draft anew: image to image, inpainting, ControlNet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging
from jaxtyping import UInt8
from PIL import Image

from digitalme.errors import InputError
from digitalme.text.captions import caption


@dataclass(frozen=True)
class Sampling:
    """How a pipeline samples."""

    seed: int
    strength: float
    steps: int
    guidance: float


@dataclass(frozen=True)
class Reference:
    """An IP-Adapter (Ye et al. 2023) and the picture whose manner it brings in."""

    adapter: str
    """Its weights, a safetensors file; a CLIP image encoder lies beside it in `image_encoder`."""
    image: UInt8[np.ndarray, "tall wide 3"]
    scale: float


def refine_with_pipeline(
    folder: str, image: UInt8[np.ndarray, "h w 3"], attributes: Mapping[str, str], how: Sampling,
    sketch: UInt8[np.ndarray, "rows columns 3"] | None = None, reference: Reference | None = None,
) -> UInt8[np.ndarray, "height width 3"]:  # fmt: skip
    """The picture as a pipeline redraws it, told the attributes in English. Raises InputError where there is none.

    Inpainting draws all but the middle of the face; a ControlNet is given the sketch's lines, white on black, or where
    there is no sketch the picture's edges. Nothing is downloaded.
    """
    pipe = load_pipeline(folder)
    strength, steps = how.strength, how.steps
    size = _working_size(pipe, image.shape[0])
    picture = Image.fromarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
    arguments = {
        "prompt": caption(dict(attributes) | {"look": "photo"}) + ", portrait", "num_inference_steps": steps,
        "guidance_scale": how.guidance, "generator": torch.Generator().manual_seed(how.seed), "output_type": "np",
    }  # fmt: skip
    kind = type(pipe).__name__
    if "ControlNet" in kind:
        edges = _control(np.array(picture), sketch)
        arguments |= (
            {"image": picture, "control_image": edges, "strength": strength} if "Img2Img" in kind else {"image": edges}
        )
    elif "Inpaint" in kind:
        arguments |= {"image": picture, "mask_image": _around_the_face(size), "strength": max(strength, 1 / steps)}
    elif "Img2Img" in kind or "Image2Image" in kind:
        arguments |= {"image": picture, "strength": max(strength, 1 / steps)}
    if "Inpaint" in kind or "ControlNet" in kind:
        arguments |= {"height": size, "width": size}
    if reference is not None:
        _adapt(pipe, reference)
        arguments["ip_adapter_image"] = Image.fromarray(reference.image)
    with torch.no_grad():
        made = pipe(**arguments).images[0]
    return np.round(np.clip(made, 0, 1) * 255).astype(np.uint8)


def _control(picture: np.ndarray, sketch: np.ndarray | None) -> Image.Image:
    """Lines in white on black, as edge and scribble ControlNets want them."""
    if sketch is None:
        return Image.fromarray(np.repeat(cv2.Canny(picture, 60, 140)[..., None], 3, 2))
    size = len(picture)
    side = max(sketch.shape[:2])
    square = np.full((side, side), 255, np.uint8)
    top, left = ((side - length) // 2 for length in sketch.shape[:2])
    square[top : top + sketch.shape[0], left : left + sketch.shape[1]] = cv2.cvtColor(sketch, cv2.COLOR_RGB2GRAY)
    lines = 255 - cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return Image.fromarray(np.repeat(lines[..., None], 3, 2))


def _adapt(pipe: DiffusionPipeline, reference: Reference) -> None:
    """Put an IP-Adapter into a pipeline. Raises InputError for what is none."""
    path = Path(reference.adapter)
    if not path.is_file() or path.suffix != ".safetensors" or not (path.parent / "image_encoder").is_dir():
        raise InputError(f"refine_portrait.ip_adapter: {path}: expected a safetensors file, image_encoder/ beside it")
    if "faceid" in path.name.lower().replace("-", "").replace("_", ""):
        raise InputError(f"refine_portrait.ip_adapter: {path.name}: FaceID adapters rest on research-only face models")
    if not hasattr(pipe, "load_ip_adapter"):
        raise InputError(f"refine_portrait.model: a {type(pipe).__name__} takes no IP-Adapter")
    try:
        pipe.load_ip_adapter(str(path.parent), subfolder="", weight_name=path.name, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"refine_portrait.ip_adapter: {path}: cannot be loaded ({error})") from None
    pipe.set_ip_adapter_scale(reference.scale)


def load_pipeline(folder: str) -> DiffusionPipeline:
    """A pipeline of files on this machine; a text-to-image one becomes its image-to-image kin."""
    from diffusers import AutoPipelineForImage2Image

    if not (Path(folder) / "model_index.json").is_file():
        raise InputError(
            f"refine_portrait.model: {folder}: expected the folder of a diffusers pipeline (model_index.json)"
        )
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"refine_portrait.model: {folder}: not a pipeline that can be loaded ({error})") from None
    if type(pipe).__name__ == "StableDiffusionPipeline":
        pipe = AutoPipelineForImage2Image.from_pipe(pipe)
    pipe.set_progress_bar_config(disable=True)
    if getattr(pipe, "safety_checker", None) is not None:
        pipe.safety_checker = None  # this project checks words and pictures itself (digitalme.trust.content)
    return pipe


def _working_size(pipe: DiffusionPipeline, wanted: int) -> int:
    """The pipeline's own size, else the picture's, a multiple of 64."""
    unet = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    native = getattr(getattr(unet, "config", None), "sample_size", None)
    factor = getattr(pipe, "vae_scale_factor", 8)
    size = native * factor if isinstance(native, int) else wanted
    return max(64, round(size / 64) * 64)


def _around_the_face(size: int) -> Image.Image:
    """White where an inpainting pipeline may draw: not the middle of the face."""
    mask = np.full((size, size), 255, np.uint8)
    cv2.ellipse(mask, (size // 2, round(size * 0.53)), (round(size * 0.16), round(size * 0.21)), 0, 0, 360, 0, -1)
    return Image.fromarray(mask)
