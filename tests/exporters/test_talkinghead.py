"""TalkingHead loads the Ready Player Me profile with no conversion, and speaks with it."""

import pytest

from digitalme.artifacts.files import read_png
from digitalme.exporters.glb import write_glb
from tests.exporters.clients import in_browser, need_node


@pytest.mark.slow
def test_speaks(avatar, tmp_path):
    need_node("@met4citizen/talkinghead")
    write_glb(avatar, None, tmp_path / "a.glb")
    words = ["hello", "I", "am", "your", "talking", "heir", "of", "ready", "player", "me"]
    answer = in_browser("talkinghead.html", {"files": {"avatar": str(tmp_path / "a.glb")}, "words": words}, tmp_path)
    most = answer["most"]
    heard = [viseme for viseme in ("aa", "E", "I", "U", "PP", "nn", "RR") if most[f"viseme_{viseme}"] > 0.15]
    assert len(heard) >= 4, most  # the words hold all of these; a slow machine skips some frames
    # it adds these morphs to files that lack them; ours brings them along
    assert {"mouthOpen", "mouthSmile", "eyesClosed", "eyesLookUp", "eyesLookDown"} <= most.keys()
    full = read_png(tmp_path / "full.png")[..., :3]
    columns = (full.max(2) > 100).any(0).nonzero()[0]
    assert 25 < columns.max() - columns.min() < 85, "its standing pose has the arms hanging: rolls as it expects"
