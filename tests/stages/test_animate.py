"""animate: lips seal, channels stay apart, and the movement is a person's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitalme.artifacts import Performance, Speech, Text, TimedLabel
from digitalme.audio.arousal import phrases_with_arousal
from digitalme.audio.phones import PHONES
from digitalme.body.model import load_body
from digitalme.body.visemes import TARGETS, VISEMES, arkit_weights, lip_seal
from digitalme.errors import InputError
from digitalme.metrics import lips
from digitalme.stages.animate import EMOTIONS, AnimateConfig, animate, parse_emotion, sentence_times
from digitalme.stages.encode_text import EncodeTextConfig, encode_text


@pytest.fixture(scope="module")
def speech() -> Speech:
    """40 s of made-up speech: all phones in random order at a talking pace, pauses, loud and high vowels."""
    random = np.random.default_rng(5)
    phones, time = [], 0.0
    while time < 40:
        for name in ["SIL", *random.choice([p for p in PHONES if p != "SIL"], 14)]:
            length = 0.4 if name == "SIL" else random.uniform(0.045, 0.13)
            phones.append(TimedLabel(str(name), time, time + length))
            time += length
    track = lips.viseme_track(tuple(phones), time)
    vowels = lips.openness(track)
    level = np.where(track == 0, -70.0, -32 + 16 * vowels).astype(np.float32)
    pitch = np.where(vowels > 0.2, 110 * 2 ** (0.3 * vowels), 0).astype(np.float32)
    return Speech((), tuple(phones), time, pitch, level, (pitch > 0).astype(np.float32))


@pytest.fixture(scope="module")
def natural(speech) -> Performance:
    return animate(speech, AnimateConfig())


def test_every_curve_is_an_action_of_the_body_within_0_and_1(natural, speech):
    assert set(natural.curves) <= set(load_body().names("action"))
    for curve in natural.curves.values():
        assert curve.dtype == np.float32
        assert curve.shape == (natural.frames,)
        assert 0 <= curve.min() <= curve.max() <= 1
    assert natural.frames == np.ceil(speech.seconds * 60)


def test_lips_seal_on_p_b_m_and_open_on_vowels(natural, speech):
    opening = lips.aperture(natural.curves)
    assert lips.closure_rate(opening, natural.rate, speech.phones) >= 0.95
    vowels = tuple(replace(p, label="M") for p in speech.phones if p.label in ("AA", "AE", "AO", "EH"))
    assert lips.closure_rate(opening, natural.rate, vowels) < 0.1


def test_sealed_lips_touch_on_the_body(natural):
    """At full seal the body's lip gap is within 1 mm of the closed mouth, at any jaw."""
    body = load_body()
    names = [name for name in natural.curves if name.startswith(("jaw", "mouth"))]
    moves = body.displacements(names)
    middle = np.abs(body.template[:, 0]) < 0.008
    lower = np.flatnonzero(middle & (body.displacement("mouthLowerDownLeft")[:, 1] < -0.001))
    upper = np.flatnonzero(middle & (body.displacement("mouthUpperUpLeft")[:, 1] > 0.001))
    apart = np.linalg.norm(body.template[lower][:, None] - body.template[upper][None], axis=2)
    low, up = lower[apart.min(1).argmin()], upper[apart.min(0).argmin()]
    weights = np.stack([natural.curves[name] for name in names], 1)
    gap = weights @ (moves[:, up, 1] - moves[:, low, 1])
    sealed = lip_seal(natural.curves) > 0.99
    assert sealed.sum() > 20
    assert gap[sealed].max() < 0.001
    assert np.percentile(gap, 95) > 0.004


def test_the_jaw_peaks_naturally_and_follows_the_sound(natural, speech):
    assert 0.22 < np.percentile(natural.curves["jawOpen"], 99) < 0.5
    opening = lips.aperture(natural.curves)
    loud = lips.envelope(speech.energy_db, natural.rate, natural.frames)
    lag, _ = lips.audio_mouth_lag(opening, loud, natural.rate)
    assert abs(lag) <= 1 / 25
    assert lips.mouth_energy_correlation(opening, loud) > 0.4
    lag, _ = lips.audio_mouth_lag(np.roll(opening, 12), loud, natural.rate)  # 200 ms
    assert lag == pytest.approx(0.2, abs=1 / 25)


def test_blinks_come_at_a_human_rate(natural, speech):
    for seed in range(8):
        lids = animate(speech, AnimateConfig(blinks_seed=seed)).curves["eyeBlinkLeft"]
        assert 12 <= lips.blinks_per_minute(lids, natural.rate) <= 24
    assert natural.curves["eyeBlinkLeft"].max() == 1


CHANNELS = {
    "mouth": {"jaw", "mouth", "tongue"},
    "blinks": {"eyeBlink"},
    "gaze": {"eyeLook"},
    "brows": {"brow"},
    "head_motion": {"head"},
    "breathing": {"noseSneer"},
}


def parts(performance: Performance) -> dict[str, np.ndarray]:
    return performance.curves | {f"head{axis}": performance.head[:, axis] for axis in range(3)}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_gain_of_nought_stills_its_own_curves_and_leaves_the_others_bit_identical(speech, natural, channel):
    still, before = parts(animate(speech, AnimateConfig(**{channel: 0.0}))), parts(natural)
    own = {name for name in before if name.startswith(tuple(CHANNELS[channel]))}
    assert own
    for name in before.keys() - own:
        np.testing.assert_array_equal(still[name], before[name], err_msg=name)
    for name in own - {"jawOpen", "mouthClose"}:  # sealed lips keep a crack of the jaw
        assert np.abs(still[name]).max() == 0, name
    assert lips.cross_talk(before, still, own) == 0


@pytest.mark.parametrize("channel", ["blinks", "gaze", "brows", "head", "breathing"])
def test_a_seed_moves_its_own_channel_only(speech, natural, channel):
    other, before = parts(animate(speech, AnimateConfig(**{f"{channel}_seed": 7}))), parts(natural)
    own = {n for n in before if n.startswith(tuple(CHANNELS.get(channel, {channel})))}
    changed = {name for name in before if not np.array_equal(before[name], other[name])}
    assert changed
    assert changed <= own


def test_the_same_speech_gives_the_same_bytes(speech, natural):
    again = animate(speech, AnimateConfig())
    for name, curve in parts(natural).items():
        np.testing.assert_array_equal(parts(again)[name], curve)


def test_the_head_starts_and_ends_at_the_photos_pose_and_stays_within_6_degrees(natural):
    degrees = np.rad2deg(natural.head)
    assert np.abs(degrees[0]).max() < 0.05
    assert np.abs(degrees[-1]).max() < 0.05
    assert 1 < np.abs(degrees).max() <= 6
    assert np.abs(np.diff(degrees, axis=0)).max() * natural.rate < 40  # degrees a second


def test_visemes_sum_to_one_and_agree_with_the_phones(natural, speech):
    total = np.stack([natural.visemes[name] for name in VISEMES], 1)
    np.testing.assert_allclose(total.sum(1), 1, atol=1e-3)
    truth = lips.viseme_track(speech.phones, speech.seconds)
    at = np.minimum((np.arange(len(truth)) + 0.5) / 100 * natural.rate, natural.frames - 1).round().astype(int)
    assert lips.weighted_f1(truth, total[at].argmax(1)) > 0.8


def test_a_viseme_alone_is_the_same_table():
    for viseme in VISEMES:
        weights = arkit_weights(viseme)
        assert set(weights) <= set(load_body().names("action"))
        assert weights.get("jawOpen", 0) == TARGETS[viseme].get("jawOpen", 0)
    assert arkit_weights("PP")["mouthClose"] == arkit_weights("PP")["jawOpen"]
    assert arkit_weights("sil") == {}


def test_emotion_raises_its_curves_and_keeps_the_seal(speech, natural):
    happy = animate(speech, AnimateConfig(emotion="happy:0.8"))
    assert (happy.curves["mouthSmileLeft"] - natural.curves["mouthSmileLeft"]).max() > 0.3
    np.testing.assert_array_equal(happy.curves["jawOpen"], natural.curves["jawOpen"])
    np.testing.assert_array_equal(happy.curves["mouthClose"], natural.curves["mouthClose"])
    assert parse_emotion("happy:0.6, sad") == {"happy": 0.6, "sad": 0.6}


@pytest.mark.parametrize("text", ["cheerful", "happy:2", "happy:x"])
def test_an_unknown_emotion_says_what_is_known(text):
    with pytest.raises(InputError, match=r"expected NAME:0..1 with NAME of neutral, happy"):
        parse_emotion(text)


def test_a_performance_survives_its_json(natural, tmp_path):
    natural.write(tmp_path / "p.json")
    again = Performance.read(tmp_path / "p.json")
    assert again.rate == natural.rate
    np.testing.assert_allclose(again.head, natural.head, atol=1e-6)
    for name, curve in natural.curves.items():
        np.testing.assert_allclose(again.curves[name], curve, atol=1e-6)


def test_silence_alone_shuts_the_mouth():
    quiet = np.full(300, -80, np.float32)
    none = np.zeros(300, np.float32)
    performance = animate(Speech((), (TimedLabel("SIL", 0, 3.0),), 3.0, none, quiet, none), AnimateConfig())
    assert performance.curves["jawOpen"].max() == 0
    assert performance.curves["eyeBlinkLeft"].max() > 0.9


def spoken(text: str, **prosody) -> Speech:
    """Speech in which each word of the text takes 0.3 s, with a pause of 0.5 s after each sentence."""
    words, phones, time = [], [TimedLabel("SIL", 0.0, 0.3)], 0.3
    for word in text.split():
        bare = word.strip(".,!?")
        words.append(TimedLabel(bare, time, time + 0.3))
        phones += [TimedLabel("M", time, time + 0.1), TimedLabel("AA", time + 0.1, time + 0.3)]
        time += 0.3
        if word[-1] in ".!?":
            phones.append(TimedLabel("SIL", time, time + 0.5))
            time += 0.5
    count = round(time * 100)
    pitch = np.full(count, 120, np.float32)
    level = np.full(count, -20, np.float32)
    for phone in phones:
        if phone.label == "SIL":
            pitch[round(phone.start * 100) : round(phone.end * 100)] = 0
            level[round(phone.start * 100) : round(phone.end * 100)] = -70
    return replace(Speech(tuple(words), tuple(phones), time, pitch, level, (pitch > 0).astype(np.float32)), **prosody)


WORDS = "The train leaves at nine. I am so happy to see you! The table is made of wood. I hate this stupid rain."


def level_at(curve, start, end, rate=60.0):
    return float(curve[round(start * rate) : round(end * rate)].mean())


def test_emotions_come_with_the_sentences_that_feel_them():
    speech = spoken(WORDS)
    script = encode_text(Text(WORDS), EncodeTextConfig(encoder="none"))
    spans = sentence_times(script.sentences, speech)
    assert spans[0] == (pytest.approx(0.3), pytest.approx(1.8))
    assert spans[3] == (pytest.approx(7.2), pytest.approx(8.7))
    felt, plain = animate(speech, script=script), animate(speech, AnimateConfig(emotion="neutral"))
    smile = felt.curves["mouthSmileLeft"] - plain.curves["mouthSmileLeft"]
    brows = felt.curves["browDownLeft"] - plain.curves["browDownLeft"]
    assert level_at(smile, *spans[1]) > 0.12 > 0.05 > level_at(smile, *spans[3])
    assert level_at(brows, *spans[3]) > 0.12 > 0.05 > level_at(brows, *spans[1])
    for curve in (smile, brows):
        assert level_at(curve, 0.4, 1.5) < 0.02
    # heard words do the same, without marks and without a script
    heard = animate(speech).curves["mouthSmileLeft"] - plain.curves["mouthSmileLeft"]
    assert level_at(heard, *spans[1]) > 0.12 > 0.02 > level_at(heard, *spans[3])


def test_sentences_without_aligned_words_take_their_share_of_the_speech():
    speech = replace(spoken("aa aa aa aa."), words=())
    script = encode_text(Text("好。我非常高兴！"), EncodeTextConfig(encoder="none"))
    (a, b), (c, d) = sentence_times(script.sentences, speech)
    assert (a, d) == (pytest.approx(0.3), pytest.approx(1.5))
    assert b == c == pytest.approx(0.3 + 1.2 * 2 / 8)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_no_emotion_breaks_a_seal_or_moves_what_is_not_its_own(speech, natural, emotion):
    felt = animate(speech, AnimateConfig(emotion=f"{emotion}:1"))
    assert lips.closure_rate(lips.aperture(felt.curves), felt.rate, speech.phones) >= 0.95
    for name in ("jawOpen", "mouthClose", "eyeBlinkLeft", "eyeLookUpLeft", "mouthPucker"):
        np.testing.assert_array_equal(felt.curves[name], natural.curves[name])
    np.testing.assert_array_equal(felt.head, natural.head)


def test_feeling_has_its_own_gain_and_seed():
    speech, script = spoken(WORDS), encode_text(Text(WORDS), EncodeTextConfig(encoder="none"))
    before = parts(animate(speech, script=script))
    none = parts(animate(speech, AnimateConfig(emotion="neutral")))
    for name, curve in parts(animate(speech, AnimateConfig(feeling=0), script)).items():
        np.testing.assert_array_equal(curve, none[name])
    other = parts(animate(speech, AnimateConfig(feeling_seed=3), script))
    changed = {name for name in before if not np.array_equal(before[name], other[name])}
    assert changed
    assert not changed & {"jawOpen", "mouthClose", "eyeBlinkLeft", "eyeLookUpLeft", "head0", "head1", "head2"}


def test_a_livelier_phrase_opens_the_eyes():
    speech = spoken("aa aa aa aa. aa aa aa aa. aa aa aa aa.")
    pitch, level = speech.pitch_hz.copy(), speech.energy_db.copy()
    loud = slice(200, 320)  # the second phrase: 4 semitones and 6 dB up
    pitch[loud] *= 2 ** (4 / 12)
    level[loud] += 6
    lively = replace(speech, pitch_hz=pitch, energy_db=level)
    arousal = [phrase.arousal for phrase in phrases_with_arousal(lively)]
    assert arousal[1] > 0.4 > 0.1 > max(abs(arousal[0]), abs(arousal[2]))
    wide = animate(lively).curves["eyeWideLeft"]
    assert level_at(wide, 2.2, 3.0) > 0.05 > 0.02 > level_at(wide, 0.4, 1.4)
    quiet = animate(lively, AnimateConfig(emotion="neutral"))
    assert "eyeWideLeft" not in quiet.curves


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(CHANNELS)), st.floats(0, 2), st.integers(0, 50))
def test_no_gain_or_seed_touches_another_channel(channel, gain, seed):
    speech = spoken("aa aa aa aa aa aa. aa aa aa aa aa.")
    knob = {"head_motion": "head"}.get(channel, channel)
    knobs = {channel: gain} | ({f"{knob}_seed": seed} if channel != "mouth" else {})
    before, after = parts(animate(speech)), parts(animate(speech, AnimateConfig(**knobs)))
    for name in before:
        if not name.startswith(tuple(CHANNELS[channel])):
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)
