"""Which code makes an artifact: a digest of a stage's file and of everything first-party that it imports.

The digest is over syntax trees, so comments, docstrings and layout do not count. It is found by reading files, not by
importing them: a key costs milliseconds even where the code behind it would load a neural network.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import digitalme
from digitalme import paths

_DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "pxr": "usd-core",
    "piper": "piper-tts",
    "dlib": "dlib-bin",
    "pillow_heif": "pillow-heif",
    "c2pa": "c2pa-python",
}
"""Import name to distribution name, where they differ."""


@dataclass(frozen=True)
class Code:
    """What stands behind a stage: a digest, the modules that were read, and the libraries that they import."""

    digest: str
    modules: tuple[str, ...]
    versions: dict[str, str]
    """Third-party import name to version. Part of the digest: another release may compute something else."""


@lru_cache(maxsize=256)
def code_of(function: Callable) -> Code:
    """The code behind a function, followed through its first-party imports, wherever in a file they are written.

    First-party is the package of the function's own module, and digitalme. The data files that the code names by
    `asset("...")` and `config("...")` enter by their content. `__init__` files enter only where something is imported
    from them by name: here they hold nothing but imports (a test keeps it so).
    """
    first_party = {function.__module__.partition(".")[0], "digitalme"}
    trees: dict[str, str] = {}
    data: dict[str, str] = {}
    libraries: set[str] = set()
    todo = [function.__module__]
    while todo:
        name = todo.pop()
        if name in trees:
            continue
        top = name.partition(".")[0]
        if top not in first_party:
            if top not in sys.stdlib_module_names:
                libraries.add(top)
            continue
        path = _file_of(name)
        if path is None:  # a name inside a module that is read already
            continue
        module = _read(path, name if path.name == "__init__.py" else name.rpartition(".")[0])
        trees[name] = module.digest
        data |= {f"{folder}/{file}": _data_digest(folder, file) for folder, file in module.data}
        todo += module.imports
    versions = {name: _version(name) for name in sorted(libraries)}
    parts = (function.__qualname__, sorted(trees.items()), sorted(data.items()), sorted(versions.items()))
    return Code(hashlib.sha256(repr(parts).encode()).hexdigest(), tuple(sorted(trees)), versions)


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: tuple[str, ...]
    data: tuple[tuple[str, str], ...]
    """(folder, file) of the data that the module names."""


@lru_cache(maxsize=1024)
def _read(path: Path, package: str) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    data = tuple(_named_data(tree))
    imports = tuple(_imported_names(tree, package))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # Strings that stand alone are docstrings, a field's too; they change nothing that is computed.
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return _Module(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports, data)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    """Dotted names of all that a module may import; `from a import b` gives both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (parent, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _named_data(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="asset" | "config" as folder), args=[ast.Constant(value=str(file))]):
                yield ("assets" if folder == "asset" else "configs"), file


@lru_cache(maxsize=256)
def _data_digest(folder: str, file: str) -> str:
    path = paths.shipped(folder) / file
    if not path.is_file():
        return "absent"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=1024)
def _file_of(module: str) -> Path | None:
    """The source file of a first-party module, without importing it where it is digitalme's."""
    package, _, rest = module.partition(".")
    if package == "digitalme":
        root = Path(digitalme.__file__).parent
        if rest.partition(".")[0] == "stages" and not (root / "stages").is_dir():
            root = root.parent  # a checkout: the stages are beside the package
        stem = root.joinpath(*rest.split(".")) if rest else root
        return next(
            (path for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")) if path.is_file()), None
        )
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # `from a import b` where b is a function of the module a
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def distribution_of(library: str) -> str:
    """The distribution that brings an import name."""
    return _DISTRIBUTIONS.get(library, library)


@lru_cache(maxsize=256)
def _version(library: str) -> str:
    try:
        return importlib.metadata.version(distribution_of(library))
    except importlib.metadata.PackageNotFoundError:
        return "absent"
