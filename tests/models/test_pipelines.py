"""Any diffusers pipeline of local files refines a draft: tried with tiny ones of random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from digitalme.artifacts import Draft, Photo
from digitalme.body.people import person_from
from digitalme.errors import InputError
from digitalme.stages.refine_portrait import RefinePortraitConfig, refine_portrait

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> dict:
    """The parts of a Stable Diffusion pipeline, as small as they go, and a tokenizer of single letters."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tokenizer")
    letters = [*"abcdefghijklmnopqrstuvwxyz,-"]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    text = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return {
        "vae": diffusers.AutoencoderKL(
            block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, sample_size=64,
        ),
        "text_encoder": transformers.CLIPTextModel(text),
        "tokenizer": transformers.CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
        ),
        "scheduler": diffusers.DDIMScheduler(),
        "safety_checker": None, "feature_extractor": None,
    }  # fmt: skip


def unet(channels: int = 4):
    return diffusers.UNet2DConditionModel(
        sample_size=32, in_channels=channels, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, cross_attention_dim=16, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def pipeline_of(kind: str, parts: dict):
    if kind == "text":
        return diffusers.StableDiffusionPipeline(**parts, unet=unet(), requires_safety_checker=False)
    if kind == "img2img":
        return diffusers.StableDiffusionImg2ImgPipeline(**parts, unet=unet(), requires_safety_checker=False)
    if kind == "inpaint":
        return diffusers.StableDiffusionInpaintPipeline(**parts, unet=unet(9), requires_safety_checker=False)
    control = diffusers.ControlNetModel.from_unet(unet(), conditioning_embedding_out_channels=(8, 16))
    return diffusers.StableDiffusionControlNetPipeline(
        **parts, unet=unet(), controlnet=control, requires_safety_checker=False
    )


def draft_of(image: np.ndarray) -> Draft:
    person = person_from({"gender": "man"}, 0)
    told = {k: v for k, v in vars(person).items() if k.endswith("_color") or k in ("attributes", "shape", "seed")}
    return Draft(image=image, said={}, source="body", **told)


@pytest.mark.parametrize("kind", ["text", "img2img", "inpaint", "controlnet"])
def test_any_pipeline_of_local_files_redraws_the_draft(kind, parts, tmp_path: Path):
    pipeline_of(kind, parts).save_pretrained(tmp_path, safe_serialization=True)
    y, x = np.mgrid[:128, :128]
    draft = draft_of(np.stack([x * 2, y * 2, 255 - x], 2).astype(np.uint8))
    config = RefinePortraitConfig(str(tmp_path), strength=0.5, steps=2, size=128)
    made = [cv2.imdecode(np.frombuffer(refine_portrait(draft, config).data, np.uint8), 1) for _ in range(2)]
    assert made[0].shape == (128, 128, 3)
    assert (made[0] == made[1]).all()  # the draft's seed
    assert made[0].std() > 1
    assert np.abs(made[0].astype(int) - draft.image[..., ::-1]).mean() > 3
    other = refine_portrait(replace(draft, seed=5), config)
    assert (cv2.imdecode(np.frombuffer(other.data, np.uint8), 1) != made[0]).any()


def picture_of(photo: Photo) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(photo.data, np.uint8), 1)


def test_a_controlnet_follows_the_sketch(parts, tmp_path: Path):
    pipe = pipeline_of("controlnet", parts)
    for _, weight in pipe.controlnet.named_parameters():  # its way out starts as nothing
        torch.nn.init.normal_(weight, std=0.1)
    pipe.save_pretrained(tmp_path, safe_serialization=True)
    draft = draft_of(np.full((128, 128, 3), 128, np.uint8))
    config = RefinePortraitConfig(str(tmp_path), steps=2, size=128)
    page = np.full((90, 120, 3), 255, np.uint8)
    cv2.circle(page, (60, 45), 30, (0, 0, 0), 3)
    pages = (page, np.ascontiguousarray(page[:, 20:]))
    sketches = [Photo(cv2.imencode(".png", each)[1].tobytes(), "s.png") for each in pages]
    one, other = (picture_of(refine_portrait(draft, config, sketch)) for sketch in sketches)
    assert (one != other).any()
    assert (one != picture_of(refine_portrait(draft, config))).any()


def test_an_ip_adapter_brings_in_a_picture(parts, tmp_path: Path):
    from safetensors.torch import save_file

    torch.manual_seed(1)
    pipe = pipeline_of("img2img", parts)
    pipe.save_pretrained(tmp_path / "pipe", safe_serialization=True)
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=16,
    )  # fmt: skip
    transformers.CLIPVisionModelWithProjection(vision).save_pretrained(tmp_path / "image_encoder")
    weights = {"image_proj.proj.weight": torch.randn(4 * 16, 16), "image_proj.proj.bias": torch.zeros(4 * 16),
               "image_proj.norm.weight": torch.ones(16), "image_proj.norm.bias": torch.zeros(16)}  # fmt: skip
    crossed = [name for name in pipe.unet.attn_processors if "attn2" in name]
    for i in range(len(crossed)):
        weights |= {f"ip_adapter.{2 * i + 1}.to_{kind}_ip.weight": torch.randn(16, 16) for kind in "kv"}
    save_file(weights, tmp_path / "adapter.safetensors")
    y, x = np.mgrid[:64, :64].astype(np.uint8)
    for name, picture in (("a", np.stack([4 * x, 4 * y, x + y], 2)), ("b", np.stack([255 - 4 * y, x, 4 * x], 2))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    draft = draft_of(np.full((128, 128, 3), 128, np.uint8))
    config = RefinePortraitConfig(str(tmp_path / "pipe"), 0.8, steps=2, size=128)
    with_one, with_other = (
        replace(config, ip_adapter=str(tmp_path / "adapter.safetensors"), reference=str(tmp_path / f"{name}.png"))
        for name in "ab"
    )
    made = [picture_of(refine_portrait(draft, each)) for each in (config, with_one, with_other)]
    assert (made[0] != made[1]).any()
    assert (made[1] != made[2]).any()
    with pytest.raises(InputError, match="go together"):
        refine_portrait(draft, replace(with_one, reference=""))
    with pytest.raises(InputError, match="image_encoder/ beside it"):
        refine_portrait(draft, replace(with_one, ip_adapter=str(tmp_path / "none.safetensors")))
    faceid = tmp_path / "ip-adapter-FaceID.safetensors"
    faceid.write_bytes(b"")
    with pytest.raises(InputError, match="FaceID adapters rest on"):
        refine_portrait(draft, replace(with_one, ip_adapter=str(faceid)))


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path):
    draft = draft_of(np.zeros((128, 128, 3), np.uint8))
    with pytest.raises(InputError, match=r"expected the folder of a diffusers pipeline \(model_index.json\)"):
        refine_portrait(draft, RefinePortraitConfig(str(tmp_path)))
