"""Makes assets/phones.safetensors: synthesises a corpus with known phone times, then trains the phone network on it.

    python tools/train_phones.py synthesise CORPUS     # flite, espeak-ng, festival, piper joe: 10 minutes
    python tools/train_phones.py train CORPUS          # 25 minutes on two cores

Recipe and held-out voices: configs/training/phones.toml. Needs torch, and the programs (apt-get install flite
espeak-ng festival festvox-kallpc16k festvox-us-slt-hts), for training only.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from digitalme.artifacts.speech import TimedLabel, Voice
from digitalme.audio import synthesis
from digitalme.audio.files import read_voice, resample
from digitalme.audio.phone_net import HOP, RATE, log_mel
from digitalme.audio.phones import PHONES
from digitalme.audio.words import dictionary
from digitalme.paths import asset, config

RECIPE = tomllib.loads(config("training/phones.toml").read_text())
NUMBER = {phone: number for number, phone in enumerate(PHONES)}


# ---- text ----


def english_sentences(count: int, random: np.random.Generator) -> list[str]:
    """Word sequences drawn from the trigram model that pocketsphinx ships (importance sampling from its unigrams)."""
    import pocketsphinx

    model = pocketsphinx.NGramModel.readfile(str(Path(pocketsphinx.get_model_path()) / "en-us/en-us.lm.bin"))
    log = 1e-4  # its probabilities are logarithms to base 1.0001
    words = np.array([word for word in dictionary() if word.isalpha()])
    unigram = np.exp(log * np.array([model.prob([word]) for word in words]))
    proposal = unigram**0.75  # rarer words too: their sounds matter
    proposal /= proposal.sum()
    sentences = []
    for _ in range(count):
        sentence: list[str] = []
        for _ in range(random.integers(5, 14)):
            picks = random.choice(len(words), 60, p=proposal)
            history = sentence[::-1][:2]
            chance = np.array([model.prob([words[pick], *history]) for pick in picks]) * log
            weight = np.exp(0.8 * chance) / proposal[picks]
            sentence.append(str(words[random.choice(picks, p=weight / weight.sum())]))
        middle = len(sentence) // 2
        comma = "," if random.random() < 0.3 else ""
        sentences.append(f"{' '.join(sentence[:middle])}{comma} {' '.join(sentence[middle:])}.")
    return sentences


_SYLLABLES = {  # onsets, vowels, codas; a comma is nothing
    "de": (
        "b d f g h k l m n p r s sch st t w z pf br gr tr schl",
        "a e i o u ä ö ü ei au eu ie",
        "n r l s t ch ng m ck ,,,",
    ),
    "fr": ("b c d f g j l m n p r s t v ch br tr pl", "a e i o u é è ou an on in oi eu ai", "r l s t que ne ,,,,,"),
    "es": ("b c d f g j l m n p r s t v ch ll ñ br tr", "a e i o u ie ue", "n r s l ,,,,,"),
    "ru": ("б в г д ж з к л м н п р с т ф х ц ч ш ст пр", "а е и о у ы э ю я", "н р л т к й ,,,,"),
    "ja": (
        "か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や "
        "ゆ よ ら り る れ ろ わ が ぎ ぐ げ ご ざ じ ず だ で ど ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ きゃ しゅ ちょ りょ",
        ",",
        "ん ,,,,,,",
    ),
    "cmn-latn-pinyin": (
        "b p m f d t n l g k h j q x zh ch sh r z c s",
        "a e i o u ai ei ao ou ia ie ua uo ui iu",
        "n ng ,,,",
    ),
}  # fmt: skip


def foreign_sentence(language: str, random: np.random.Generator) -> str:
    """Made-up words from a language's usual syllables: for the sounds, not for sense."""
    onsets, nuclei, codas = (part.replace(",", " , ").split() for part in _SYLLABLES[language])
    words = []
    for _ in range(random.integers(4, 9)):
        parts = [random.choice(part) for _ in range(random.integers(1, 4)) for part in (onsets, nuclei, codas)]
        word = "".join(parts).replace(",", "")
        words.append(word + (str(random.integers(1, 5)) if language.startswith("cmn") else ""))
    return " ".join(words)


# ---- sound ----


def say_with_festival(text: str, voice: str) -> Voice:
    with tempfile.TemporaryDirectory() as folder:
        script = f"""(voice_{voice}) (set! u (utt.synth (Utterance Text "{text}")))
        (utt.save.wave u "{folder}/a.wav") (utt.save.segs u "{folder}/a.lab")"""
        subprocess.run(["festival", "--pipe"], input=script, text=True, check=True, capture_output=True)
        sound = read_voice(Path(folder) / "a.wav")
        lines = (Path(folder) / "a.lab").read_text().partition("#\n")[2].splitlines()
    phones, time_ = [], 0.0
    for end, _, name in (line.split()[:3] for line in lines if line.strip()):
        phones.append(TimedLabel(synthesis._FLITE_PHONES.get(name, name.upper()), time_, float(end)))
        time_ = float(end)
    return Voice(sound.samples, sound.rate, text, "en", tuple(phones))


def say(job: tuple[str, str, str, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """(16 kHz int16 samples, phone number of each 10 ms) of (program, voice, text, seed)."""
    program, voice, text, seed = job
    random = np.random.default_rng(seed)
    if program == "flite":
        said = synthesis.say_with_flite(text, voice)
    elif program == "espeak":
        speed, pitch = int(random.integers(120, 200)), int(random.integers(20, 80))
        said = synthesis.say_with_espeak(text, voice, speed, pitch)
    elif program == "piper":
        said = synthesis.say_with_piper(text)
    else:
        said = say_with_festival(text, voice)
    sound = resample(said.samples, said.rate, RATE)
    labels = frame_labels(said.phones, len(sound) // HOP)
    if labels is None:
        return None
    peak = max(float(np.abs(sound).max()), 1e-3)
    return np.round(sound / peak * 30000).astype(np.int16), labels


def frame_labels(phones: tuple[TimedLabel, ...], frames: int) -> np.ndarray | None:
    """Phone number at the middle of each 10 ms; None where a phone is unknown."""
    labels = np.full(frames, NUMBER["SIL"], np.int8)
    middles = (np.arange(frames) + 0.5) / 100
    for phone in phones:
        if phone.label not in NUMBER:
            return None
        labels[(middles >= phone.start) & (middles < phone.end)] = NUMBER[phone.label]
    return labels


def synthesise(folder: Path) -> None:
    random = np.random.default_rng(RECIPE["seed"])
    sentences = iter(english_sentences(sum(group["sentences"] for group in RECIPE["english"]), random))
    jobs = []
    for group in RECIPE["english"]:
        for number in range(group["sentences"]):
            voice = group["voices"][number % len(group["voices"])]
            jobs.append((group["program"], voice, next(sentences), len(jobs)))
    for language in _SYLLABLES:
        for number in range(RECIPE["foreign_sentences"]):
            variant = RECIPE["foreign_variants"][number % len(RECIPE["foreign_variants"])]
            jobs.append(("espeak", f"{language}{variant}", foreign_sentence(language, random), len(jobs)))
    folder.mkdir(parents=True, exist_ok=True)
    jobs.sort(key=lambda job: job[:2])
    with ProcessPoolExecutor(2) as pool:
        said = [(job, result) for job, result in zip(jobs, pool.map(say, jobs, chunksize=8), strict=True) if result]
    sounds = [result[0] for _, result in said]
    labels = [result[1] for _, result in said]
    np.savez(
        folder / "corpus.npz",
        sound=np.concatenate(sounds), sound_ends=np.cumsum([len(sound) for sound in sounds]),
        labels=np.concatenate(labels), label_ends=np.cumsum([len(label) for label in labels]),
        voices=np.array([f"{job[0]} {job[1]}" for job, _ in said]), texts=np.array([job[2] for job, _ in said]),
    )  # fmt: skip
    print(f"{len(said)} of {len(jobs)} sentences, {sum(map(len, sounds)) / RATE / 3600:.2f} h")


# ---- distortions ----


def colored_noise(count: int, slope: float, random: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f ** slope above 20 Hz (0 white, 1 pink, 2 brown), spread 1."""
    spectrum = random.normal(size=count // 2 + 1) + 1j * random.normal(size=count // 2 + 1)
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20)[: len(spectrum)]
    noise = np.fft.irfft(spectrum / hertz ** (slope / 2), count)
    return noise / noise.std()


def distort(sound: np.ndarray, other: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A room, a microphone's tilt, noise (coloured, or another voice's babble) at 0..35 dB, a gain."""
    count = len(sound)
    if random.random() < 0.3:
        length = int(RATE * random.uniform(0.05, 0.35))
        room = random.normal(size=length) * np.exp(-6.9 * np.arange(length) / length) * random.uniform(0.02, 0.12)
        room[0] = 1
        sound = np.fft.irfft(np.fft.rfft(sound, count + length) * np.fft.rfft(room, count + length))[:count]
    if random.random() < 0.6:
        size = count + count % 2
        hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 50)
        tilt = (hertz / 1000) ** random.uniform(-0.35, 0.35)
        if random.random() < 0.15:  # a telephone
            tilt = tilt * ((hertz > 250) & (hertz < random.uniform(3400, 6000)))
        sound = np.fft.irfft(np.fft.rfft(sound, size) * tilt, size)[:count]
    if random.random() < 0.75:
        kind = random.random()
        noise = other if kind < 0.12 else colored_noise(count, 1.0 if kind < 0.6 else random.uniform(0, 2), random)
        level = random.uniform(2, 32)
        noise = noise * np.sqrt(np.mean(sound**2) / max(np.mean(noise**2), 1e-12)) * 10 ** (-level / 20)
        sound = sound + noise
    else:
        sound = sound + 1e-4 * random.normal(size=count) * np.abs(sound).max()
    return (sound * 10 ** random.uniform(-1.5, 0)).astype(np.float32)


class Batches:
    """Random crops of distorted speech at random speed (which also changes the size of the speaker)."""

    def __init__(self, folder: Path, held_out: list[str]) -> None:
        with np.load(folder / "corpus.npz") as data:
            self.sound, self.labels = data["sound"], data["labels"]
            self.sound_ends, self.label_ends = data["sound_ends"], data["label_ends"]
            voices = data["voices"]
        keep = [not any(name in voice for name in held_out) for voice in voices]
        self.rows = np.flatnonzero(keep)

    def clip(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        start, first = (ends[row - 1] if row else 0 for ends in (self.sound_ends, self.label_ends))
        return self.sound[start : self.sound_ends[row]] / 32768.0, self.labels[first : self.label_ends[row]]

    def crop(self, random: np.random.Generator, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        sound, labels = self.clip(random.choice(self.rows))
        speed = np.exp(random.normal(0, 0.09))
        other, _ = self.clip(random.choice(self.rows))
        source = np.arange(int(len(sound) / speed)) * speed
        sound = np.interp(source, np.arange(len(sound)), sound)
        frames = len(sound) // HOP
        labels = labels[np.minimum(((np.arange(frames) + 0.5) * speed).astype(int), len(labels) - 1)]
        wanted = int(seconds * 100)
        if frames < wanted:
            before = int(random.integers(0, wanted - frames + 1))
            sound = np.pad(sound, (before * HOP, (wanted - before) * HOP))[: wanted * HOP]
            labels = np.pad(labels, (before, wanted - frames - before), constant_values=NUMBER["SIL"])
        else:
            at = int(random.integers(0, frames - wanted + 1))
            sound, labels = sound[at * HOP : (at + wanted) * HOP], labels[at : at + wanted]
        return log_mel(distort(sound, np.resize(other, len(sound)), random)), labels

    def batch(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng([RECIPE["seed"], seed])
        pairs = [self.crop(random, RECIPE["seconds"]) for _ in range(RECIPE["batch"])]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


# ---- network ----


def network():
    import torch
    from torch import nn

    width, hidden = RECIPE["channels"], RECIPE["hidden"]

    class PhoneNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv1d(40, width, 5, padding=2)
            self.conv2 = nn.Conv1d(width, width, 5, stride=2, padding=2)
            self.conv3 = nn.Conv1d(width, hidden, 3, padding=1)
            self.norm1, self.norm2, self.norm3 = (nn.BatchNorm1d(size) for size in (width, width, hidden))
            self.gru = nn.GRU(hidden, hidden, 2, batch_first=True, bidirectional=True, dropout=RECIPE["dropout"])
            self.drop = nn.Dropout(RECIPE["dropout"])
            self.out = nn.Linear(2 * hidden, 2 * len(PHONES))

        def forward(self, mels: torch.Tensor) -> torch.Tensor:
            """(batch, frames, 40), frames even -> (batch, frames, phones) logits."""
            x = mels.transpose(1, 2)
            layers = ((self.conv1, self.norm1), (self.conv2, self.norm2), (self.conv3, self.norm3))
            for convolve, norm in layers:
                x = self.drop(torch.relu(norm(convolve(x))))
            x, _ = self.gru(x.transpose(1, 2))
            return self.out(self.drop(x)).reshape(len(mels), -1, len(PHONES))

    return PhoneNet()


def _tensors(model) -> dict[str, np.ndarray]:
    """The weights as half floats, each batch norm folded into the convolution before it."""
    state = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    for layer in "123":
        norm, conv = f"norm{layer}", f"conv{layer}"
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + 1e-5)
        state[f"{conv}.weight"] = state[f"{conv}.weight"] * scale[:, None, None]
        shifted = (state[f"{conv}.bias"] - state[f"{norm}.running_mean"]) * scale
        state[f"{conv}.bias"] = shifted + state[f"{norm}.bias"]
    return {name: array.astype(np.float16) for name, array in state.items() if not name.startswith("norm")}


def train(folder: Path, minutes: float) -> None:
    import torch
    from safetensors.numpy import save_file

    torch.manual_seed(RECIPE["seed"])
    torch.set_num_threads(RECIPE["threads"])
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), RECIPE["rate"], weight_decay=0.01)
    loader = torch.utils.data.DataLoader(
        _Steps(Batches(folder, RECIPE["held_out_voices"])), batch_size=None, num_workers=1, prefetch_factor=6
    )
    begun, average = time.perf_counter(), None
    for step, (mels, labels) in enumerate(loader):
        part = (time.perf_counter() - begun) / (60 * minutes)
        if part >= 1:
            break
        for group in optimiser.param_groups:  # warm up, then a cosine to zero
            group["lr"] = RECIPE["rate"] * min(1, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * part))
        loss = torch.nn.functional.cross_entropy(
            model(mels).flatten(0, 1), labels.flatten().long(), label_smoothing=RECIPE["label_smoothing"]
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average = loss.item() if average is None else 0.98 * average + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"{step} {time.perf_counter() - begun:.0f} s loss {average:.3f}", flush=True)
        if step % 500 == 499:
            save_file(_tensors(model), folder / "now.safetensors")
    tensors = _tensors(model) | statistics(loader.dataset.batches)
    save_file(tensors, asset("phones.safetensors"))
    print(f"{step} steps, {sum(tensor.size for tensor in tensors.values()):,} weights, loss {average:.3f}")


def statistics(batches: Batches) -> dict[str, np.ndarray]:
    """Log chances: of each phone in a frame ("prior"), and of the next phone after each ("bigram", from, to)."""
    frames, pairs = np.ones(len(PHONES)), np.full((len(PHONES), len(PHONES)), 0.5)
    for row in batches.rows:
        labels = batches.clip(row)[1].astype(int)
        frames += np.bincount(labels, minlength=len(PHONES))
        runs = labels[np.flatnonzero(np.diff(labels, prepend=-1))]
        np.add.at(pairs, (runs[:-1], runs[1:]), 1)
    prior, bigram = frames / frames.sum(), pairs / pairs.sum(1, keepdims=True)
    return {"prior": np.log(prior).astype(np.float16), "bigram": np.log(bigram).astype(np.float16)}


class _Steps:
    """Batches by step number, for torch's loader."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return self.batches.batch(step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["synthesise", "train"])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--minutes", type=float, default=RECIPE["minutes"])
    options = parser.parse_args()
    if options.what == "synthesise":
        synthesise(options.corpus)
    else:
        train(options.corpus, options.minutes)


if __name__ == "__main__":
    main()
