"""The runner: what is wired, what is remade and what is not, what a failure says, what a killed run leaves."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from digitalme import fingerprint, pipeline
from digitalme.errors import InputError, PipelineError
from digitalme.events import Event
from digitalme.pipeline import Pipeline
from digitalme.run import Given, run
from digitalme.store import DamagedError, Store
from tests.fakes import numbers
from tests.fakes.numbers import Number, Word


def sums(**more) -> Pipeline:
    stages = {"raised": numbers.raised, "halved": numbers.halved, "total": numbers.total, **more}
    return Pipeline.of(stages, {"start": Number, "extra": Number})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Log(list):
    def __call__(self, event: Event) -> None:
        self.append((event.artifact, event.what))

    def made(self) -> list[str]:
        return [name for name, what in self if what == "started"]


def made_by(store: Store, target: str = "total", line: Pipeline | None = None, **options) -> tuple[Number, list[str]]:
    log = Log()
    given = options.pop("given", {"start": Number(9)})
    done = run(line or sums(), [target], store=store, given=given, on_event=log, **options)
    return done.load(target), log.made()


def test_makes_each_once_and_then_nothing(store):
    assert made_by(store) == (Number(15), ["raised", "halved", "total"])
    assert made_by(store) == (Number(15), [])


def test_only_what_the_target_needs(store):
    assert made_by(store, "halved") == (Number(5), ["raised", "halved"])


def test_knob_remakes_what_follows(store):
    made_by(store)
    configs = sums().configs({"raised": {"by": "3"}})
    assert made_by(store, configs=configs) == (Number(18), ["raised", "halved", "total"])


def test_same_bytes_upstream_stop_there(store):
    made_by(store)
    configs = sums().configs({"raised": {"by": 1, "ceiling": 50}})
    assert made_by(store, configs=configs) == (Number(15), ["raised"])


def test_optional_input_is_used_when_given(store):
    value, _ = made_by(store, given={"start": Number(9), "extra": Number(100)})
    assert value == Number(115)
    assert made_by(store)[0] == Number(15)


def test_redo_from_remakes_that_and_what_follows(store):
    made_by(store)
    assert made_by(store, redo_from="halved") == (Number(15), ["halved", "total"])


def test_given_replaces_an_intermediate(store):
    assert made_by(store, given={"raised": Number(100), "start": Number(0)}) == (Number(150), ["halved", "total"])


def test_given_by_key(store):
    first = run(sums(), ["raised"], store=store, given={"start": Number(9)})
    value, made = made_by(store, given={"raised": Given(first.keys["raised"])})
    assert (value, made) == (Number(15), ["halved", "total"])


def test_seed_comes_from_the_key_and_scratch_is_removed(store):
    line = Pipeline.of({"drawn": numbers.drawn}, {"start": Number})
    first, _ = made_by(store, "drawn", line)
    again, made = made_by(store, "drawn", line, redo_from="drawn")
    other, _ = made_by(store, "drawn", line, given={"start": Number(10)})
    assert made == ["drawn"]
    assert first == again != other
    assert list((store.root / "scratch").iterdir()) == []


def test_provenance_and_links(store):
    done = run(sums(), ["total"], store=store, given={"start": Number(9)})
    about = store.about(done.keys["raised"])
    assert about["stage"] == "raised"
    assert about["where"].startswith("raised (fakes/numbers.py:")
    assert about["config"] == {"by": 1, "ceiling": None}
    assert about["inputs"] == {"start": done.keys["start"]}
    assert about["seconds"] >= 0
    assert "python" in about["versions"]
    assert store.about(done.keys["halved"])["notes"] == {"remainder": 0}
    names = sorted(path.name for path in done.folder.iterdir())
    assert names == ["00-start", "01-raised", "02-halved", "03-total", "log.jsonl", "run.json"]
    assert (done.folder / "03-total" / "number.txt").read_text() == "15"
    events = [json.loads(line) for line in (done.folder / "log.jsonl").read_text().splitlines()]
    assert {"started", "finished", "progress"} == {event["what"] for event in events}


def test_store_is_private(store):
    run(sums(), ["total"], store=store, given={"start": Number(9)})
    for path in (store.root, *(path for path in store.root.rglob("*") if path.is_dir() and not path.is_symlink())):
        assert path.stat().st_mode & 0o777 == 0o700, path


# ---------------------------------------------------------------- wiring


def test_misspelt_input_is_found_when_built():
    with pytest.raises(PipelineError, match=r"halved \(fakes/numbers.py:\d+\) takes 'raised', which nothing makes"):
        Pipeline.of({"halved": numbers.halved}, {"razed": Number})


def test_wrong_type_is_found_when_built():
    with pytest.raises(PipelineError, match="takes 'raised' as Number, but the pipeline's sources gives Word"):
        Pipeline.of({"halved": numbers.halved}, {"raised": Word})


def test_cycle_is_found_when_built():
    renames = {"raised": {"start": "halved"}}
    with pytest.raises(PipelineError, match=r"has a cycle: (halved -> raised -> halved|raised -> halved -> raised)"):
        Pipeline.of({"raised": numbers.raised, "halved": numbers.halved}, {}, renames)


def test_rename():
    line = Pipeline.of({"more": numbers.raised}, {"seed": Number}, {"more": {"start": "seed"}})
    assert line.node("more").takes == {"start": "seed"}
    assert line.node("raised").artifact == "more"


def test_unannotated_stage():
    def bare(start):
        return start

    with pytest.raises(PipelineError, match="annotate start, return"):
        Pipeline.of({"bare": bare}, {"start": Number})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"raised": {"by": "many"}}, "raised.by: expected a whole number, got 'many'"),
        ({"raised": {"buy": "1"}}, "raised has no knob 'buy'; did you mean 'by'?; it has: by, ceiling"),
        ({"rased": {"by": "1"}}, "no stage 'rased' to set a knob of; did you mean 'raised'?"),
        ({"halved": {"by": "1"}}, "halved has no knobs, so 'by' cannot be set"),
        ({"raised": {"ceiling": "nan"}}, "raised.ceiling: expected a number or none, got 'nan'"),
    ],
)
def test_wrong_knob(settings, says):
    with pytest.raises(InputError) as error:
        sums().configs(settings)
    assert str(error.value) == says


def test_missing_source(store):
    with pytest.raises(InputError, match="no start was given"):
        made_by(store, given={})


# ---------------------------------------------------------------- failures


def test_failure_is_one_line_and_names_its_inputs(store):
    line = sums(bad=numbers.failing)
    with pytest.raises(PipelineError) as error:
        made_by(store, "bad", line)
    first, second, folder = str(error.value).splitlines()
    assert first.startswith("bad: failing (fakes/numbers.py:")
    assert first.endswith("failed: ZeroDivisionError: the number is odd")
    assert second == "Its inputs are kept in:"
    assert (Path(folder.partition(": ")[2]) / "number.txt").read_text() == "10"
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_input_error_of_a_stage_stays_one(store):
    with pytest.raises(InputError, match="expected an even one"):
        made_by(store, "bad", sums(bad=numbers.refusing))


def test_wrong_return_type(store):
    with pytest.raises(PipelineError, match="promised Number, returned Word"):
        made_by(store, "bad", sums(bad=numbers.lying))


@pytest.mark.parametrize("harm", ["truncate", "change", "delete", "add", "about"])
def test_damaged_object_is_found_and_remade(store, harm):
    done = run(sums(), ["total"], store=store, given={"start": Number(9)})
    folder = done.path("halved")
    match harm:
        case "truncate":
            (folder / "number.txt").write_text("")
        case "change":
            (folder / "number.txt").write_text("6")
        case "delete":
            (folder / "number.txt").unlink()
        case "add":
            (folder / "more.txt").write_text("")
        case "about":
            (folder / "artifact.json").write_text("{")
    log = Log()
    again = run(sums(), ["total"], store=store, given={"start": Number(9)}, on_event=log)
    assert ("halved", "damaged") in log
    assert log.made() == ["halved"]
    assert again.load("total") == Number(15)
    store.check(done.keys["halved"])


def test_damaged_source_is_written_anew(store):
    done = run(sums(), ["total"], store=store, given={"start": Number(9)})
    (done.path("start") / "number.txt").write_text("1")
    assert made_by(store, redo_from="raised")[0] == Number(15)


def test_damaged_given_key_is_named(store):
    done = run(sums(), ["raised"], store=store, given={"start": Number(9)})
    (done.path("raised") / "number.txt").write_text("1")
    with pytest.raises(DamagedError, match=r"number.txt: not the bytes that were written"):
        made_by(store, given={"raised": Given(done.keys["raised"])})


KILLED = """
import os, signal, sys
from pathlib import Path
from digitalme.run import run
from digitalme.store import Store
from tests.fakes.numbers import Number
from tests.test_run import sums
where = sys.argv[2]
def listener(event):
    if f"{event.artifact} {event.what}" == where:
        os.kill(os.getpid(), signal.SIGKILL)
run(sums(), ["total"], store=Store(Path(sys.argv[1])), given={"start": Number(9)}, on_event=listener)
"""


@pytest.mark.parametrize("where", ["raised started", "halved started", "halved finished", "total started"])
def test_killed_run_goes_on_where_it_was(tmp_path, where):
    root = tmp_path / "store"
    killed = subprocess.run([sys.executable, "-c", KILLED, root, where], check=False)
    assert killed.returncode == -signal.SIGKILL
    log = Log()
    done = run(sums(), ["total"], store=Store(root), given={"start": Number(9)}, on_event=log)
    assert done.load("total") == Number(15)
    finished = {"raised started": 0, "halved started": 1, "halved finished": 2, "total started": 2}[where]
    assert len(log.made()) in (3 - finished, 2 - finished)  # the stage may have ended just before the kill
    assert list((root / "scratch").iterdir()) == []


def test_kill_while_saving_leaves_nothing(tmp_path):
    program = """
import os, signal, sys
from pathlib import Path
from digitalme.store import Store
class Half:
    def save(self, folder):
        (folder / "photo").write_text("half of a face")
        os.kill(os.getpid(), signal.SIGKILL)
Store(Path(sys.argv[1])).save(Half(), {}, "ab" * 32)
"""
    root = tmp_path / "store"
    assert subprocess.run([sys.executable, "-c", program, root], check=False).returncode == -signal.SIGKILL
    assert [path.name for path in root.rglob("photo")] == ["photo"]
    store = Store(root)
    assert "ab" * 32 not in store
    assert list(root.rglob("photo")) == []


def test_two_writers_of_one_key(store):
    barrier = threading.Barrier(8)

    def write() -> None:
        barrier.wait()
        store.save(Number(7), {}, "cd" * 32)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.check("cd" * 32)
    assert store.load("cd" * 32, Number) == Number(7)
    assert list((store.root / "scratch").iterdir()) == []


def test_sweep_leaves_the_living(store):
    with store.scratch() as folder:
        Store(store.root)
        assert folder.is_dir()


def test_process_executor(store):
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        value, _ = made_by(store, "pid", sums(pid=numbers.slow), executor=executor)
    assert value != Number(os.getpid())
    assert value.value > 0


def test_unwritable_store(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\); choose another with --store"):
        Store(tmp_path / "file" / "store")


# ---------------------------------------------------------------- fingerprints


def forget_read_files() -> None:
    for cached in (fingerprint.code_of, fingerprint._read, fingerprint._file_of, fingerprint._data_digest):
        cached.cache_clear()


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A package whose recipe.py imports its helper.py; call it with their sources to get the digest of recipe.make."""
    folder = tmp_path / "cookbook"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def digest(recipe: str, helper: str = "def help(): return 1") -> str:
        for name, source in (("__init__", ""), ("recipe", recipe), ("helper", helper)):
            (folder / f"{name}.py").write_text(source)
        forget_read_files()
        module = importlib.import_module("cookbook.recipe")
        found = fingerprint.code_of(module.make)
        assert {"cookbook.recipe", "cookbook.helper"} <= set(found.modules)
        return found.digest

    yield digest
    for name in [name for name in sys.modules if name.partition(".")[0] == "cookbook"]:
        del sys.modules[name]
    forget_read_files()


RECIPE = "from cookbook.helper import help\ndef make():\n    return help() + 1\n"


def test_comments_docstrings_and_layout_do_not_count(edited):
    changed = '"""What for."""\nfrom cookbook.helper import help  # why\n\n'
    changed += 'def make():\n    "Says."\n    return (help()\n  +1)'
    assert edited(RECIPE) == edited(changed)


def test_code_counts(edited):
    assert edited(RECIPE) != edited(RECIPE.replace("+ 1", "+ 2"))


def test_helper_counts(edited):
    assert edited(RECIPE) != edited(RECIPE, "def help(): return 2")


def test_import_inside_a_function_counts(edited):
    recipe = "def make():\n    from cookbook.helper import help\n    return help() + 1\n"
    assert edited(recipe) != edited(recipe, "def help(): return 2")


def test_data_named_by_the_code_counts(edited, monkeypatch, tmp_path):
    recipe = RECIPE + "from digitalme.paths import asset\ntable = lambda: asset('table.npz')\n"
    (tmp_path / "assets").mkdir()
    monkeypatch.setattr(fingerprint.paths, "shipped", lambda folder: tmp_path / folder)
    digests = []
    for content in ("one", "two", "one"):
        (tmp_path / "assets" / "table.npz").write_text(content)
        digests.append(edited(recipe))
    assert digests[0] == digests[2] != digests[1]


def test_version_mark_counts(store):
    def marked(start: Number) -> Number:
        return start

    line = Pipeline.of({"marked": marked}, {"start": Number})
    before = line.node("marked").stage.key(None, {})
    pipeline.version("2")(marked)
    assert line.node("marked").stage.key(None, {}) != before
