"""Whole builds of the demo: what comes out, twice the same, after kills, beside each other, with the network off."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from digitalme.cli import main
from digitalme.product import Built

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OUTPUTS = {
    "avatar.glb",
    "avatar.glb.provenance.json",
    "avatar.vrm",
    "avatar.vrm.provenance.json",
    "talking_head.mp4",
    "performance.json",
    "portrait.png",
    "report.html",
    "scorecard.json",
    "run",
}
STAGES = [
    "portrait",
    "likeness",
    "avatar",
    "speech",
    "script",
    "performance",
    "exports",
    "frames",
    "video",
    "scorecard",
]


@dataclass(frozen=True)
class Finished:
    out: Path
    store: Path
    seconds: float
    peak_mb: float
    temporary: Path
    """The folder for temporary files that it was given."""
    connects: list[str]
    """Every name looked up and every connection tried, as Python's audit events tell them."""


COUNTED = """
import json, sys
from pathlib import Path
tried = []
NET = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, arguments: tried.append(f"{event} {arguments[1:]}") if event in NET else None)
from digitalme.cli import main
code = main(["demo", "--out", sys.argv[1], "--quiet"])
Path(sys.argv[2]).write_text(json.dumps(tried))
sys.exit(code)
"""
"""A whole build that counts its connects."""


def network_off() -> list[str]:
    """The command that runs another without any network, where this machine lets us."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        return command
    return []


def start(*command: str | Path, store: Path, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    temporary = store.with_name(f"{store.name}-tmp")
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "DIGITALME_STORE": str(store), "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    words = [*prefix, sys.executable, *map(str, command)]
    return subprocess.Popen(words, env=environment, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Finished:
    """`digitalme demo` in a process of its own, with the network off, its connects counted."""
    folder = tmp_path_factory.mktemp("reference")
    begin = time.perf_counter()
    command = ("-c", COUNTED, folder / "demo", folder / "connects.json")
    process = start(*command, store=folder / "store", prefix=tuple(network_off()))
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 0, error
    return Finished(
        folder / "demo", folder / "store", time.perf_counter() - begin, usage.ru_maxrss / 1e3, folder / "store-tmp",
        json.loads((folder / "connects.json").read_text()),
    )  # fmt: skip


def digests(out: Path) -> dict[str, str]:
    """Digest of each artifact, and of the outputs that are copied as they are.

    The report tells times, and signatures differ each time: a signed file is compared as the artifact it came from.
    """
    outputs = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.iterdir())
        if path.name in ("avatar.glb", "avatar.vrm", "performance.json")
    }
    artifacts = {
        link.name: json.loads((link / "artifact.json").read_text())["content"]
        for link in sorted((out / "run").iterdir())
        if link.is_symlink()
    }
    return outputs | artifacts


def test_everything_is_there(reference):
    assert {path.name for path in reference.out.iterdir()} == OUTPUTS
    assert (reference.out / "avatar.glb").stat().st_size < 15 * 2**20
    links = sorted(path.name for path in (reference.out / "run").iterdir() if path.is_symlink())
    assert [name.partition("-")[0] for name in links] == ["00"] * 3 + [f"{n:02d}" for n in range(1, 11)]
    assert (
        json.loads((reference.out / "run" / "01-encode_photo" / "artifact.json").read_text())["stage"] == "encode_photo"
    )
    report = (reference.out / "report.html").read_text()
    assert "data:video/mp4;base64," in report
    # nothing is fetched: no address outside the scripts, no script from elsewhere, none that names an address to load
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", report, re.DOTALL)
    assert not any("src" in attributes for attributes, _ in scripts)
    assert not any(re.search(r"""(fetch|import|load|open)\(\s*["'`]\w*://""", program) for _, program in scripts)
    rest = re.sub(r"<script[^>]*>.*?</script>", "", report, flags=re.DOTALL)
    assert "://" not in rest.replace("http://www.w3.org", "")  # base64 has no colon, but may well spell http


def test_memory(reference):
    assert reference.peak_mb < 2000


def test_no_unfinished_files_stay(reference):
    assert list((reference.store / "scratch").iterdir()) == []


def test_second_build_makes_nothing_and_gives_the_same(reference, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIGITALME_STORE", str(reference.store))
    assert main(["demo", "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert digests(tmp_path / "again") == digests(reference.out)
    log = sorted((reference.store / "runs").iterdir())[-1] / "log.jsonl"
    assert {json.loads(line)["what"] for line in log.read_text().splitlines()} == {"cached"}


KILLED = """
import os, signal, sys
from pathlib import Path
from digitalme.demo import DEMO_CONSENT, demo_photo, demo_voice
from digitalme.product import How, Inputs, build, look_settings
out, where = Path(sys.argv[1]), sys.argv[2]
def listener(event):
    if event.artifact == where and event.what in ("progress", "finished", "cached"):
        os.kill(os.getpid(), signal.SIGKILL)
voice, words = demo_voice()
how = How(settings=look_settings("photo"), consent=DEMO_CONSENT, on_event=listener)
build(Inputs(demo_photo(), voice, words), out, how)
"""


def test_killed_in_each_stage_and_resumed(reference, tmp_path):
    """One store through a kill in each stage; then the files are those of an undisturbed build."""
    store, out = tmp_path / "store", tmp_path / "demo"
    for stage in STAGES:
        process = start("-c", KILLED, out, stage, store=store)
        error = process.communicate()[1].decode()
        assert process.returncode == -signal.SIGKILL, f"{stage}: {error}"
        assert not (out / "run").exists()
    process = start("-c", KILLED, out, "none", store=store)
    error = process.communicate()[1].decode()
    assert process.returncode == 0, error
    assert digests(out) == digests(reference.out)
    assert list((store / "scratch").iterdir()) == []
    assert {path.name for path in out.iterdir() if not path.name.startswith(".digitalme-")} == OUTPUTS


def test_two_builds_at_once_on_one_store(reference, tmp_path):
    store = tmp_path / "store"
    outs = [tmp_path / "one", tmp_path / "two"]
    running = [start("-m", "digitalme.cli", "demo", "--out", out, "--quiet", store=store) for out in outs]
    for process in running:
        error = process.communicate()[1].decode()
        assert process.returncode == 0, error
    for out in outs:
        assert digests(out) == digests(reference.out)


def test_talk_makes_only_what_hears_the_voice(reference, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIGITALME_STORE", str(reference.store))
    from digitalme.demo import demo_voice

    assert main(["talk", str(reference.out), "--voice", str(demo_voice()[0]), "--out", str(tmp_path / "talk")]) == 0
    assert {path.name for path in (tmp_path / "talk").iterdir()} == {"talking_head.mp4", "performance.json"}
    log = sorted((reference.store / "runs").iterdir())[-1] / "log.jsonl"
    touched = {json.loads(line)["artifact"] for line in log.read_text().splitlines()}
    assert touched == {"speech", "performance", "frames", "video"}


def test_render_an_edited_performance(reference, tmp_path, monkeypatch, capsys):
    """The eyes are shut in performance.json: only the picture and the video are made anew, and show it."""
    monkeypatch.setenv("DIGITALME_STORE", str(reference.store))
    about = json.loads((reference.out / "performance.json").read_text())
    for side in ("Left", "Right"):
        about["curves"][f"eyeBlink{side}"] = [1.0] * about["frames"]
    (tmp_path / "asleep.json").write_text(json.dumps(about))
    arguments = ["render", str(reference.out), "--performance", str(tmp_path / "asleep.json")]
    assert main([*arguments, "--out", str(tmp_path / "asleep"), "--quiet"]) == 0
    assert {path.name for path in (tmp_path / "asleep").iterdir()} == {"talking_head.mp4", "performance.json"}
    log = sorted((reference.store / "runs").iterdir())[-1] / "log.jsonl"
    assert {json.loads(line)["artifact"] for line in log.read_text().splitlines()} == {"frames", "video"}
    assert json.loads((tmp_path / "asleep" / "performance.json").read_text())["curves"] == about["curves"]
    (tmp_path / "broken.json").write_text("{}")
    arguments[-1] = str(tmp_path / "broken.json")
    assert main([*arguments, "--out", str(tmp_path / "broken")]) == 2
    assert not (tmp_path / "broken").exists()


def test_show_and_eval(reference, monkeypatch, capsys):
    monkeypatch.setenv("DIGITALME_STORE", str(reference.store))
    assert main(["show", str(reference.out)]) == 0
    assert "encode_photo" in capsys.readouterr().out
    assert main(["show", str(reference.out), "reconstruct"]) == 0
    shown = capsys.readouterr().out
    assert "albedo.png" in shown
    assert (reference.out / "run" / "preview-likeness.png").is_file()
    assert main(["eval", str(reference.out), "--quiet"]) == 0
    assert "fit_rms" in capsys.readouterr().out


def test_use_an_edited_picture(reference, tmp_path, monkeypatch):
    """--use puts a person's own file in place of one that a stage made; only what follows is made anew."""
    from digitalme.artifacts.files import read_png, write_png

    monkeypatch.setenv("DIGITALME_STORE", str(reference.store))
    monkeypatch.chdir(tmp_path)
    picture = read_png(reference.out / "portrait.png").copy()
    picture[..., 2] //= 2
    write_png(tmp_path / "edited.png", picture)
    arguments = ["demo", "--out", "edited", "--until", "reconstruct", "--use", "portrait=edited.png", "--quiet"]
    assert main(arguments) == 0
    built = Built.read(tmp_path / "edited")
    assert built.keys["portrait"] != Built.read(reference.out).keys["portrait"]
    assert set(built.keys) == {"photo", "voice", "words", "portrait", "likeness"}


def test_no_connection_is_tried(reference):
    """Every connect of a whole build is counted: there are none."""
    assert reference.connects == []


def test_nothing_temporary_is_left(reference):
    """Neither in the folder for temporary files nor in the store's scratch: a photo lies in no forgotten corner."""
    assert [path.name for path in reference.temporary.rglob("*") if path.is_file()] == []
    assert list((reference.store / "scratch").iterdir()) == []
    assert [path.name for path in reference.out.iterdir() if path.name.startswith(".")] == []


def test_the_store_is_its_users_alone(reference):
    for path in (reference.store, reference.store / "objects", reference.store / "runs", reference.store / "scratch"):
        assert path.stat().st_mode & 0o777 == 0o700, path
