"""Makes assets/phones.safetensors: synthesises a corpus with known phone times, then trains the phone network on it.

    python tools/train_phones.py synthesise CORPUS     # one file for each group of the recipe; those that exist stay
    python tools/train_phones.py train CORPUS          # goes on from CORPUS/state.safetensors where that exists
    python tools/train_phones.py finish CORPUS         # writes assets/phones.safetensors from the averaged weights

Recipe and held-out voices: configs/training/phones.toml. Needs torch, and the programs (apt-get install flite
espeak-ng festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts), for training only.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from festival import say_with_festival

from digitalme.artifacts.speech import TimedLabel
from digitalme.audio import synthesis
from digitalme.audio.files import resample
from digitalme.audio.phone_net import HOP, RATE, log_mel, mel_filters
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


Job = tuple[str, str, str, int]
"""Program, voice, text, seed."""


def say(job: Job) -> tuple[np.ndarray, np.ndarray] | None:
    """(16 kHz int16 samples, phone number of each 10 ms); rate and pitch are drawn where they can be set."""
    program, voice, text, seed = job
    random = np.random.default_rng(seed)
    if program == "flite":
        pitch = random.uniform(75, 150) if voice.startswith("kal") else random.uniform(130, 240)
        said = synthesis.say_with_flite(text, voice, float(random.uniform(0.8, 1.3)), float(pitch))
    elif program == "espeak":
        speed, pitch = int(random.integers(120, 200)), int(random.integers(20, 80))
        said = synthesis.say_with_espeak(text, voice, speed, pitch)
    elif program == "piper":
        said = synthesis.say_with_piper(text, stretch=float(random.uniform(0.8, 1.25)))
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


def jobs_of(group: dict, random: np.random.Generator) -> list[Job]:
    if "languages" in group:
        pairs = [
            (f"{language}{variant}", foreign_sentence(language, random))
            for language in group["languages"]
            for variant in (group["variants"] * group["sentences"])[: group["sentences"]]
        ]
    else:
        texts = english_sentences(group["sentences"], random)
        pairs = [(group["voices"][number % len(group["voices"])], text) for number, text in enumerate(texts)]
    seeds = random.integers(0, 2**31, len(pairs))
    jobs = [(group["program"], voice, text, int(seed)) for (voice, text), seed in zip(pairs, seeds, strict=True)]
    return sorted(jobs, key=lambda job: job[1])  # a program loads each voice once


def synthesise(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, group in enumerate(RECIPE["speech"]):
        path = folder / f"{group['name']}.npz"
        if path.exists():
            continue
        jobs = jobs_of(group, np.random.default_rng([RECIPE["seed"], number]))
        with ProcessPoolExecutor(2) as pool:
            said = [(job, result) for job, result in zip(jobs, pool.map(say, jobs, chunksize=8), strict=True) if result]
        sounds = [result[0] for _, result in said]
        labels = [result[1] for _, result in said]
        np.savez(
            path,
            sound=np.concatenate(sounds), sound_ends=np.cumsum([len(sound) for sound in sounds]),
            labels=np.concatenate(labels), label_ends=np.cumsum([len(label) for label in labels]),
            voices=np.array([f"{job[0]} {job[1]}" for job, _ in said]), texts=np.array([job[2] for job, _ in said]),
        )  # fmt: skip
        print(
            f"{path.name}: {len(said)} of {len(jobs)} sentences, {sum(map(len, sounds)) / RATE / 3600:.2f} h",
            flush=True,
        )


# ---- distortions ----


def colored_noise(count: int, slope: float, random: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f ** slope above 20 Hz (0 white, 1 pink, 2 brown), spread 1."""
    spectrum = random.normal(size=count // 2 + 1) + 1j * random.normal(size=count // 2 + 1)
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20)[: len(spectrum)]
    noise = np.fft.irfft(spectrum / hertz ** (slope / 2), count)
    return noise / noise.std()


def music(count: int, random: np.random.Generator) -> np.ndarray:
    """Chords of plucked or held tones with overtones, over a beat of noise bursts, spread 1."""
    time_ = np.arange(count) / RATE
    sound = np.zeros(count)
    beat = random.uniform(0.25, 0.7)
    for start in np.arange(0, count / RATE, beat):
        since = time_ - start
        decay = np.where(since >= 0, np.exp(-since * random.uniform(0.5, 6)), 0) * (since < 4 * beat)
        root = 55 * 2 ** (random.integers(0, 36) / 12)
        for step in random.choice([0, 3, 4, 7, 10, 12, 16], random.integers(1, 4), replace=False):
            for overtone in range(1, 6):
                hertz = root * 2 ** (step / 12) * overtone
                if hertz < 7000:
                    sound += decay * np.sin(2 * np.pi * hertz * since) / overtone ** random.uniform(0.8, 2)
        if random.random() < 0.5:
            sound += 2 * random.normal(size=count) * np.where(since >= 0, np.exp(-since * 40), 0)
    return sound / max(sound.std(), 1e-6)


@lru_cache(maxsize=32)
def some_music(number: int) -> np.ndarray:
    """Ten seconds of music, kept: it is slow to make."""
    return music(10 * RATE, np.random.default_rng([RECIPE["seed"], number]))


def filtered(sound: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(sound) + len(kernel), real=True)
    spectrum = rfft(sound.astype(np.float32), size) * rfft(kernel.astype(np.float32), size)
    return irfft(spectrum, size)[: len(sound)]


def in_a_room(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    length = int(RATE * random.uniform(0.05, 0.5))
    room = random.normal(size=length) * np.exp(-6.9 * np.arange(length) / length) * random.uniform(0.02, 0.12)
    room[0] = 1
    return filtered(sound, room)


def through_a_microphone(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A tilt, and now and then a telephone's band or a codec's low pass."""
    size = len(sound) + len(sound) % 2
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 50)
    tilt = (hertz / 1000) ** random.uniform(-0.35, 0.35)
    kind = random.random()
    if kind < 0.12:
        tilt = tilt * ((hertz > random.uniform(150, 350)) & (hertz < random.uniform(3400, 6000)))
    elif kind < 0.25:
        tilt = tilt / (1 + (hertz / random.uniform(3500, 7000)) ** 8)
    return np.fft.irfft(np.fft.rfft(sound, size) * tilt, size)[: len(sound)]


def distort(sound: np.ndarray, others: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """A room, a microphone, noise (coloured, babble of the `others`, music) 0 to 35 dB below, clipping, a gain."""
    count = len(sound)
    if random.random() < 0.3:
        sound = in_a_room(sound, random)
    if random.random() < 0.6:
        sound = through_a_microphone(sound, random)
    if random.random() < 0.7:
        kind = random.random()
        if kind < 0.15:
            noise = np.sum([np.resize(other, count) * random.uniform(0.3, 1) for other in others], 0)
        elif kind < 0.22:
            noise = np.roll(some_music(int(random.integers(32))), int(random.integers(10 * RATE)))[:count]
        else:
            noise = colored_noise(count, 1.0 if kind < 0.6 else random.uniform(0, 2), random)
        level = random.uniform(5 if kind < 0.22 else 0, 33)
        sound = sound + noise * np.sqrt(np.mean(sound**2) / max(np.mean(noise**2), 1e-12)) * 10 ** (-level / 20)
    else:
        sound = sound + 1e-4 * random.normal(size=count) * np.abs(sound).max()
    if random.random() < 0.05:
        limit = random.uniform(0.3, 0.8) * np.abs(sound).max()
        sound = np.clip(sound, -limit, limit)
    return (sound * 10 ** random.uniform(-1.5, 0)).astype(np.float32)


class Batches:
    """Random crops of distorted speech at random speed, of speakers of random size."""

    def __init__(self, folder: Path, held_out: list[str]) -> None:
        clips: list[tuple[np.ndarray, np.ndarray]] = []
        weights: list[float] = []
        for path in sorted(folder.glob("*.npz")):
            with np.load(path) as data:
                voices, sound, labels = data["voices"], data["sound"], data["labels"]
                sounds, marks = np.split(sound, data["sound_ends"][:-1]), np.split(labels, data["label_ends"][:-1])
            for voice, one, mark in zip(voices, sounds, marks, strict=True):
                if not any(name in voice for name in held_out):
                    clips.append((one, mark))
                    weights.append(self.share(str(voice)) * len(one))
        self.clips, self.weights = clips, np.cumsum(weights) / np.sum(weights)

    @staticmethod
    def share(voice: str) -> float:
        return next(weight for name, weight in RECIPE["weights"].items() if voice.startswith(name))

    def pick(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sound, labels = self.clips[int(np.searchsorted(self.weights, random.random()))]
        return sound / 32768.0, labels

    def crop(self, random: np.random.Generator, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        if random.random() < RECIPE["wordless"]:
            return no_speech(round(seconds * RATE), random), np.full(round(seconds * 100), NUMBER["SIL"], np.int8)
        sound, labels = self.pick(random)
        others = [self.pick(random)[0] for _ in range(random.integers(1, 4))]
        speed = np.exp(random.normal(0, 0.09))
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
        size = float(np.exp(random.normal(0, 0.06)))
        mels = log_mel(distort(sound, others, random), warped_filters(round(size, 2)))
        mels += smooth_offset(random)
        return mels, labels

    def batch(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng([RECIPE["seed"], seed])
        pairs = [self.crop(random, RECIPE["seconds"]) for _ in range(RECIPE["batch"])]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def no_speech(count: int, random: np.random.Generator) -> np.ndarray:
    """Log-mel of noise or music alone, its level steady, swelling, or in bursts as of keys and knocks."""
    if random.random() < 0.4:
        sound = np.roll(some_music(int(random.integers(32))), int(random.integers(10 * RATE)))[:count]
    else:
        sound = colored_noise(count, random.uniform(-0.5, 2.5), random)
    kind = random.random()
    if kind < 0.3:
        knots = random.uniform(-2.5, 0, 6)
        sound = sound * np.exp(np.interp(np.linspace(0, 5, count), np.arange(6), knots))
    elif kind < 0.5:
        since = np.arange(count) % int(RATE * random.uniform(0.1, 0.8))
        sound = sound * np.exp(-since / RATE * random.uniform(10, 60))
    sound = through_a_microphone(sound, random) + 10 ** random.uniform(-4, -1.5) * random.normal(size=count)
    return log_mel((sound * 10 ** random.uniform(-3, -1)).astype(np.float32)) + smooth_offset(random)


@lru_cache(maxsize=64)
def warped_filters(size: float) -> np.ndarray:
    """Mel filters for a vocal tract so many times as long: the formants move, the pitch stays (Jaitly, Hinton 2013)."""
    return mel_filters(size)


def smooth_offset(random: np.random.Generator) -> np.ndarray:
    """What is wrong with the mean of a clip that is not over yet, so that the network can also run live."""
    knots = random.normal(0, random.uniform(0, 0.3), 5)
    return np.interp(np.linspace(0, 4, 40), np.arange(5), knots).astype(np.float32)


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


def unfolded(model, tensors: dict[str, np.ndarray], batches: Batches) -> None:
    """Start a model from finished weights: each batch norm gets the mean and spread that its folded layer has, so that
    nothing changes at first."""
    import torch

    state = model.state_dict()
    model.load_state_dict(state | {n: torch.tensor(t.astype(np.float32)) for n, t in tensors.items() if n in state})
    mels = torch.tensor(np.concatenate([batches.batch(10**9 + number)[0] for number in range(8)])).transpose(1, 2)
    with torch.no_grad():
        x = mels
        for number in (1, 2, 3):
            norm = getattr(model, f"norm{number}")
            x = getattr(model, f"conv{number}")(x)
            mean, variance = x.mean((0, 2)), x.var((0, 2))
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.copy_(mean)
            x = torch.relu(x)


def train(folder: Path, minutes: float) -> None:
    """Train for so many minutes in all, over any number of calls; the last 2 minutes' state is lost by a stop."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(RECIPE["seed"])
    torch.set_num_threads(RECIPE["threads"])
    batches = Batches(folder, RECIPE["held_out_voices"])
    model, average = network(), network()
    optimiser = torch.optim.AdamW(model.parameters(), RECIPE["rate"], weight_decay=0.01)
    path = folder / "state.safetensors"
    first, spent, loss_mean = 0, 0.0, 2.0
    if path.exists():
        tensors = load_file(path)
        first, spent, loss_mean = int(tensors["step"][0]), float(tensors["step"][1]), float(tensors["step"][2])
        model.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("model.")})
        average.load_state_dict({n[8:]: t for n, t in tensors.items() if n.startswith("average.")})
        for number, parameter in enumerate(model.parameters()):
            moments = {n: tensors[f"adam.{number}.{n}"] for n in ("exp_avg", "exp_avg_sq", "step")}
            optimiser.state[parameter] = moments
    else:
        if RECIPE["start_from_asset"]:
            from safetensors.numpy import load_file as load_arrays

            unfolded(model, load_arrays(asset("phones.safetensors")), batches)
        average.load_state_dict(model.state_dict())

    def save() -> None:
        tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in average.state_dict().items()}
        for number, parameter in enumerate(model.parameters()):
            tensors |= {f"adam.{number}.{n}": t for n, t in optimiser.state[parameter].items()}
        tensors["step"] = torch.tensor([step + 1, spent + time.perf_counter() - begun, loss_mean], dtype=torch.float64)
        save_file(tensors, folder / "state.tmp")
        (folder / "state.tmp").replace(path)

    steps = _Steps(batches, first)
    loader = torch.utils.data.DataLoader(steps, batch_size=None, num_workers=1, prefetch_factor=6)
    begun = saved = time.perf_counter()
    frame_weights = torch.ones(int(RECIPE["seconds"] * 100))
    frame_weights[-RECIPE["last_frames"] :] = RECIPE["last_frames_weight"]
    for step, (mels, labels) in enumerate(loader, first):
        part = (spent + time.perf_counter() - begun) / (60 * minutes)
        if part >= 1:
            break
        for group in optimiser.param_groups:  # warm up, then a cosine to zero
            group["lr"] = RECIPE["rate"] * min(1, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * part))
        losses = torch.nn.functional.cross_entropy(
            model(mels).transpose(1, 2), labels.long(), label_smoothing=RECIPE["label_smoothing"], reduction="none"
        )
        loss = (losses * frame_weights).mean() / frame_weights.mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss_mean += 0.01 * (loss.item() - loss_mean)
        keep = min(RECIPE["averaging"], (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                mine.copy_(keep * mine + (1 - keep) * theirs if mine.is_floating_point() else theirs)
        if step % 100 == 0:
            print(f"{step} {spent + time.perf_counter() - begun:.0f} s loss {loss_mean:.3f}", flush=True)
        if time.perf_counter() - saved > 120:
            saved = time.perf_counter()
            save()
    save()
    print(f"{step} steps, loss {loss_mean:.3f}")


def finish(folder: Path) -> None:
    from safetensors.numpy import save_file
    from safetensors.torch import load_file

    average = network()
    average.load_state_dict(
        {n[8:]: t for n, t in load_file(folder / "state.safetensors").items() if n[:8] == "average."}
    )
    arrays = _tensors(average) | statistics(Batches(folder, RECIPE["held_out_voices"]))
    save_file(arrays, asset("phones.safetensors"))
    print(f"{sum(array.size for array in arrays.values()):,} weights")


def statistics(batches: Batches) -> dict[str, np.ndarray]:
    """Log chances: of each phone in a frame ("prior"), and of the next phone after each ("bigram", from, to)."""
    frames, pairs = np.ones(len(PHONES)), np.full((len(PHONES), len(PHONES)), 0.5)
    for _, clip in batches.clips:
        labels = clip.astype(int)
        frames += np.bincount(labels, minlength=len(PHONES))
        runs = labels[np.flatnonzero(np.diff(labels, prepend=-1))]
        np.add.at(pairs, (runs[:-1], runs[1:]), 1)
    prior, bigram = frames / frames.sum(), pairs / pairs.sum(1, keepdims=True)
    return {"prior": np.log(prior).astype(np.float16), "bigram": np.log(bigram).astype(np.float16)}


class _Steps:
    """Batches by step number, for torch's loader."""

    def __init__(self, batches: Batches, first: int) -> None:
        self.batches, self.first = batches, first

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        return self.batches.batch(self.first + step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["synthesise", "train", "finish"])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--minutes", type=float, default=RECIPE["minutes"])
    options = parser.parse_args()
    if options.what == "synthesise":
        synthesise(options.corpus)
    elif options.what == "train":
        train(options.corpus, options.minutes)
    else:
        finish(options.corpus)


if __name__ == "__main__":
    main()
