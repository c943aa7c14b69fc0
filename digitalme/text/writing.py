"""Draft what the avatar says about a topic, with a language model on this machine (extra [lm])."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from digitalme.errors import InputError, MissingExtraError
from digitalme.text.language import language_of, sentences_of

_ASK = {
    "en": "Write what a person says to the camera about this topic, in {sentences} short sentences, without headings: ",
    "zh": "请写一段对着镜头说的话，{sentences}个短句，不要标题，主题是：",
}


@dataclass(frozen=True)
class WritingConfig:
    """How the script is drafted."""

    sentences: int = 4
    """About so many sentences."""
    temperature: float = 0.8
    """0 takes the likeliest word each time; higher is freer."""
    seed: int = 0
    """Another number, another draft."""
    tokens_max: int = 200
    """The draft ends here at the latest."""


def write_script(topic: str, model: Path, config: WritingConfig = WritingConfig()) -> str:
    """A script about a topic by the causal language model in the folder `model` (Hugging Face's format, safetensors).

    The same topic, model and config give the same words. Raises MissingExtraError where transformers or torch are not
    installed, InputError where the folder holds no model or the model wrote no words.
    """
    if not topic.strip():
        raise InputError('nothing to write about; expected a topic: --write "my day at the sea"')
    if not (Path(model) / "config.json").is_file():
        raise InputError(f"--language-model {model}: expected a folder with a Hugging Face model (config.json)")
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--write needs {error.name}: pip install 'digitalme[lm]'") from None
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(model), local_files_only=True)
        network = AutoModelForCausalLM.from_pretrained(str(model), local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--language-model {model}: cannot be read as a causal language model ({reason})") from None
    language = language_of(topic)
    ask = _ASK.get(language, _ASK["en"]).format(sentences=config.sentences) + topic.strip()
    if tokenizer.chat_template:
        said = [{"role": "user", "content": ask}]
        prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    else:
        prompt = f"{ask}\n\n"
    tokens = tokenizer(prompt, return_tensors="pt")["input_ids"]
    if limit := getattr(network.config, "max_position_embeddings", None):
        room = limit - tokens.shape[1]
        if room < 8:
            raise InputError(f"--write: the topic is too long for this model ({tokens.shape[1]} of {limit} tokens)")
    else:
        room = config.tokens_max
    knobs = {"do_sample": True, "temperature": config.temperature, "top_p": 0.95} if config.temperature > 0 else {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(config.seed)
        written = network.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=min(config.tokens_max, room),
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0, **knobs,
        )  # fmt: skip
    text = str(tokenizer.decode(written[0, tokens.shape[1] :], skip_special_tokens=True))
    return _tidied(text, config.sentences)


def _tidied(text: str, count: int) -> str:
    """The first `count` sentences as one paragraph, without the half sentence that a limit leaves behind."""
    text = re.sub(r"[*_#`>]+", "", text)
    sentences = [" ".join(sentence.split()) for sentence in sentences_of(text)]
    sentences = [sentence for sentence in sentences if re.search(r"\w", sentence)][: count + 1]
    if len(sentences) > 1 and not re.search(r"[.!?…。！？][\"'”’」』)]*$", sentences[-1]):
        sentences.pop()
    if not sentences:
        raise InputError("--write: the language model wrote no words; try another topic or seed")
    return " ".join(sentences[:count])
