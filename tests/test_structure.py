"""The shape of the code: who may import whom, what `__init__` files hold, how fast the front door opens."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("digitalme/**/*.py"), *ROOT.glob("stages/*.py")])

LAYERS = [
    {"paths", "spaces", "errors", "events"},
    {"artifacts"},
    {"geometry", "audio", "imaging", "body", "models", "text", "trust"},
    {"rendering", "exporters", "metrics"},
    {"stages"},
]
"""A module imports from its own layer and from those above it here."""
ALLOWED = {("digitalme/geometry/fit.py", "body"): "it fits the body model"}
"""Steps over the order, each with its reason."""
RUNNER = [{"scratch", "store", "shared_store", "config", "fingerprint"}, {"pipeline"}, {"run"}]
"""The runner knows no stage: it stands on errors, events, paths and the artifacts' names."""
TOP = {"cli", "studio", "progress_bar", "product", "report", "demo", "doctor", "forget", "licenses", "service", "batch"}

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
RUNNER_RANK = {name: rank for rank, layer in enumerate(RUNNER) for name in layer}


def imports_at_top(path: Path) -> set[str]:
    """digitalme's parts that a file imports when it is loaded; imports inside functions are for the lazy."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "digitalme":
            found |= {f"digitalme.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.split(".")[1] for name in found if name.startswith("digitalme.")} - {"__version__"}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return "stages" if relative.parts[0] == "stages" else Path(relative.parts[1]).stem


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_import_order(path):
    part = part_of(path)
    for imported in imports_at_top(path):
        if (str(path.relative_to(ROOT)), imported) in ALLOWED:
            continue
        if part in RANK:
            assert imported in RANK, f"{part} stands below {imported}"
            assert RANK[imported] <= RANK[part], f"{part} imports {imported}, which stands above it"
        elif part in RUNNER_RANK:
            below = RUNNER_RANK.get(imported, -1) <= RUNNER_RANK[part]
            assert below, f"{part} imports {imported}"
            assert imported in RUNNER_RANK or imported in {"errors", "events", "paths", "artifacts"}
        elif imported == "cli":
            pytest.fail(f"{part} imports the command line")


@pytest.mark.parametrize("path", sorted(ROOT.glob("stages/*.py")), ids=lambda path: path.stem)
def test_no_stage_imports_another(path):
    assert "stages" not in imports_at_top(path)
    assert not re.search(r"^\s*(from|import) (digitalme\.)?stages", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=str)
def test_init_files_do_nothing(path):
    """The fingerprint skips them unless something is imported from them by name."""
    for node in ast.parse(path.read_text()).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert is_docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.Assign), ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_files_are_named_where_they_are_read(path):
    """`asset` and `config` get a literal in stages' code, or else a key would not know of the file."""
    if part_of(path) in TOP | {"paths", "pipeline"}:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="asset" | "config"), args=[argument, *_]):
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unpickles(path):
    text = path.read_text()
    assert not re.search(r"^\s*(import|from) (pickle|dill|joblib|shelve)\b", text, re.MULTILINE)
    assert "allow_pickle=True" not in text
    assert "torch.load(" not in text


def seconds(*command: str) -> float:
    """Processor time of a command, the least of three: what it takes in seconds on a machine that does nothing else."""
    times = []
    for _ in range(3):
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0
        times.append(usage.ru_utime + usage.ru_stime)
    return min(times)


def test_help_is_fast():
    assert seconds("-m", "digitalme.cli", "--help") < 0.5


def test_import_is_fast():
    assert seconds("-c", "import digitalme") - seconds("-c", "") < 0.1


def test_keys_are_fast():
    program = """
import time
from digitalme.fingerprint import code_of
import digitalme.body.model as model
start = time.process_time()
code = code_of(model.load_body)
assert {"digitalme.body.model", "digitalme.paths"} <= set(code.modules)
print(time.process_time() - start)
"""
    times = [
        float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3
