"""The graph: a stage is a plain typed function; its parameters' names say which artifacts it takes.

Wired by name and checked by type when it is built, so that a misspelt name, a wrong type or a cycle is found before
anything runs, with the file and line of the stage.
"""

from __future__ import annotations

import graphlib
import importlib
import importlib.util
import inspect
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from digitalme import artifacts
from digitalme.config import knobs_of, make_config, plain, read_toml, suggestion
from digitalme.errors import InputError, MissingExtraError, PipelineError
from digitalme.fingerprint import Code, code_of
from digitalme.paths import config as config_path
from digitalme.store import digest_of_text


@dataclass(frozen=True)
class Stage:
    """A function read as a node: it takes the artifacts that its parameters name, and makes its output."""

    function: Callable[..., Any]
    inputs: Mapping[str, type]
    optional: frozenset[str]
    """Inputs with a default of None: given where they can be made, left out where not."""
    output: type
    config_type: type | None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Stage:
        plain_function = inspect.unwrap(function)
        hints = get_type_hints(plain_function)
        parameters = inspect.signature(plain_function).parameters
        missing = [name for name in (*parameters, "return") if name not in hints]
        if missing:
            raise PipelineError(
                f"{_where(function)}: annotate {', '.join(missing)}; a stage's annotations say what it takes and makes"
            )
        output, config_type = hints.pop("return"), hints.pop("config", None)
        optional = frozenset(name for name in hints if parameters[name].default is None)
        inputs = {name: _without_none(hint) if name in optional else hint for name, hint in hints.items()}
        return cls(function, inputs, optional, output, config_type)

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def where(self) -> str:
        return _where(self.function)

    @cached_property
    def code(self) -> Code:
        return code_of(self.function)

    def key(self, config: Any, inputs: Mapping[str, str]) -> str:
        """Names what the stage makes of these knobs and this content (parameter to digest)."""
        contents = [f"{name} {inputs[name]}" for name in sorted(inputs)]
        version = getattr(self.function, "version", "")
        return digest_of_text(self.code.digest, version, repr(sorted(plain(config).items())), *contents)


def version(number: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a stage: a new number makes everything anew, where its code and inputs cannot tell that it must be."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.version = number  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True)
class Node:
    """A stage in a pipeline: what it makes there, and which artifact each parameter takes."""

    artifact: str
    stage: Stage
    takes: Mapping[str, str]
    """Parameter to artifact: the same name, unless the pipeline renames it."""


@dataclass(frozen=True)
class Pipeline:
    """Artifact name to the node that makes it; `sources` are given from outside."""

    nodes: Mapping[str, Node]
    sources: Mapping[str, type]
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage name to the knobs that the pipeline's file sets."""
    outputs: tuple[str, ...] = ()
    """What a build hands over: `artifact/file`, where file may be a pattern."""

    @classmethod
    def of(
        cls,
        stages: Mapping[str, Callable[..., Any]],
        sources: Mapping[str, type],
        renames: Mapping[str, Mapping[str, str]] | None = None,
        knobs: Mapping[str, Mapping[str, Any]] | None = None,
        outputs: Iterable[str] = (),
    ) -> Pipeline:
        """Wire and check. `renames` is {artifact made: {parameter: artifact taken}}. Raises PipelineError."""
        made = {name: Stage.of(function) for name, function in stages.items()}
        known = {**sources, **{name: stage.output for name, stage in made.items()}}
        nodes = {}
        for name, stage in made.items():
            renamed = (renames or {}).get(name, {})
            if unknown := set(renamed) - set(stage.inputs):
                raise PipelineError(f"'{name}': {stage.where} has no parameter {_listed(unknown)}")
            takes = {parameter: renamed.get(parameter, parameter) for parameter in stage.inputs}
            for parameter, taken in list(takes.items()):
                if taken not in known:
                    if parameter in stage.optional and taken == parameter:
                        del takes[parameter]
                        continue
                    raise PipelineError(
                        f"'{name}': {stage.where} takes '{taken}', which nothing makes"
                        f"{suggestion(taken, known)}; known artifacts: {', '.join(sorted(known))}"
                    )
                if not issubclass(known[taken], stage.inputs[parameter]):
                    maker = made[taken].where if taken in made else "the pipeline's sources"
                    raise PipelineError(
                        f"'{name}': {stage.where} takes '{taken}' as {stage.inputs[parameter].__name__}, "
                        f"but {maker} gives {known[taken].__name__}"
                    )
            nodes[name] = Node(name, stage, takes)
        try:
            graph = {name: node.takes.values() for name, node in nodes.items()}
            order = [name for name in graphlib.TopologicalSorter(graph).static_order() if name in nodes]
        except graphlib.CycleError as error:
            raise PipelineError("the pipeline has a cycle: " + " -> ".join(error.args[1])) from None
        return cls({name: nodes[name] for name in order}, dict(sources), dict(knobs or {}), tuple(outputs))

    def node(self, name: str) -> Node:
        """The node of an artifact, found by the artifact's name or by its stage's. Raises InputError."""
        if name in self.nodes:
            return self.nodes[name]
        for node in self.nodes.values():
            if node.stage.name == name:
                return node
        known = [*self.nodes, *(node.stage.name for node in self.nodes.values())]
        raise InputError(f"no stage or artifact '{name}'{suggestion(name, known)}; there are: {', '.join(known)}")

    def type_of(self, artifact: str) -> type:
        return self.sources[artifact] if artifact in self.sources else self.node(artifact).stage.output

    def number(self, artifact: str) -> int:
        """Place of an artifact in the order of making, from 1; sources are 0."""
        return list(self.nodes).index(artifact) + 1 if artifact in self.nodes else 0

    def depends(self, artifact: str, on: str) -> bool:
        """Whether `artifact` is `on`, or is made from it."""
        takes = self.nodes[artifact].takes.values() if artifact in self.nodes else ()
        return artifact == on or any(self.depends(taken, on) for taken in takes)

    def can_be_made(self, artifact: str, given: Collection[str]) -> bool:
        """Whether what is given is enough to make `artifact`; optional inputs may be missing."""
        if artifact in given or artifact not in self.nodes:
            return artifact in given
        node = self.nodes[artifact]
        required = (taken for parameter, taken in node.takes.items() if parameter not in node.stage.optional)
        return all(self.can_be_made(taken, given) for taken in required)

    def configs(self, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Each artifact's config: the defaults, then the pipeline file's knobs, then `settings` by stage name."""
        stages = {node.stage.name: node.stage for node in self.nodes.values()}
        for name in [*self.knobs, *settings]:
            if name not in stages:
                raise InputError(f"no stage '{name}' to set a knob of{suggestion(name, stages)}")
        made = {}
        for artifact, node in self.nodes.items():
            name, config_type = node.stage.name, node.stage.config_type
            values = {**self.knobs.get(name, {}), **settings.get(name, {})}
            if config_type is None:
                if values:
                    raise InputError(f"{name} has no knobs, so '{next(iter(values))}' cannot be set")
                continue
            made[artifact] = make_config(config_type, values, name)
        return made

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        lines = ["flowchart LR"]
        lines += [f"    {name}([{name}])" for name in self.sources]
        lines += [f'    {name}["{name}<br/><i>{node.stage.name}</i>"]' for name, node in self.nodes.items()]
        for name, node in self.nodes.items():
            lines += [f"    {taken} --> {name}" for taken in node.takes.values()]
        return "\n".join(lines)

    def describe(self) -> str:
        """Each stage's inputs, output, place and knobs, as text."""
        lines = [f"sources: {', '.join(f'{name} ({kind.__name__})' for name, kind in self.sources.items())}"]
        for name, node in self.nodes.items():
            lines += ["", f"{node.stage.name}: {', '.join(node.takes.values())} -> {name}    {node.stage.where}"]
            if node.stage.config_type:
                for knob in knobs_of(node.stage.config_type):
                    lines.append(f"    {knob.name} = {knob.default!r} ({knob.type})  {knob.help}")
        return "\n".join(lines)


def read_pipeline(name: str) -> Pipeline:
    """A pipeline by its name in configs/pipelines, or by the path of a TOML file; "default+drive" lays the second over
    the first.

    `[sources]` maps a name to an artifact type; `[stages]` an artifact to the stage that makes it, or to a table of
    the stage and its renames; `[knobs.STAGE]` sets knobs; `outputs` lists the files that a build hands over.
    A stage is a name in digitalme.stages, or `module:function`. `extends` names a pipeline to start from; a source of
    it that a stage makes here, or that no stage takes here, is no source any more.
    """
    base, *layers = name.split("+")
    path = _pipeline_path(base)
    about = _read_tables(path)
    for layer in layers:
        path = _pipeline_path(layer)
        about = _laid_over(about, _checked_tables(path))
    stages, renames = {}, {}
    for artifact, entry in about.get("stages", {}).items():
        if not isinstance(entry, str | dict):
            raise InputError(f"{path}: stages.{artifact}: expected a stage's name or a table with it, got {entry!r}")
        entry = {"stage": entry} if isinstance(entry, str) else dict(entry)
        if not all(isinstance(value, str) for value in entry.values()):
            raise InputError(f"{path}: stages.{artifact}: expected names, got {entry!r}")
        stages[artifact] = _stage_function(entry.pop("stage", ""), path)
        renames[artifact] = entry
    sources = {}
    for source, kind in about.get("sources", {}).items():
        if kind not in artifacts.__all__:
            raise InputError(
                f"{path}: source '{source}' is of unknown type '{kind}'{suggestion(str(kind), artifacts.__all__)}"
            )
        sources[source] = getattr(artifacts, kind)
    graph = Pipeline.of(stages, sources, renames, about.get("knobs", {}), about.get("outputs", ()))
    if not layers and "extends" not in _checked_tables(path):
        return graph
    taken = {artifact for node in graph.nodes.values() for artifact in node.takes.values()}
    return replace(graph, sources={name: kind for name, kind in sources.items() if name in taken})


def _pipeline_path(name: str) -> Path:
    path = Path(name) if name.endswith(".toml") else config_path("pipelines") / f"{name}.toml"
    if not _is_file(path):
        shipped = ", ".join(sorted(each.stem for each in config_path("pipelines").glob("*.toml")))
        raise InputError(f"no pipeline '{name}': expected a TOML file, or one of: {shipped}")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read_tables(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    about = _checked_tables(path)
    if "extends" not in about:
        return about
    base = _pipeline_path(about["extends"])
    if base.resolve() in above or base.resolve() == path.resolve():
        raise InputError(f"{path}: extends {base}, which extends it; expected one to start from")
    return _laid_over(_read_tables(base, (*above, path.resolve())), about)


def _checked_tables(path: Path) -> dict[str, Any]:
    about = read_toml(path)
    expected = {"extends": str, "sources": dict, "stages": dict, "knobs": dict, "outputs": list}
    for name, value in about.items():
        if name not in expected or not isinstance(value, expected[name]):
            raise InputError(f"{path}: cannot use '{name}'; expected tables sources, stages, knobs and a list outputs")
    return about


def _laid_over(base: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """The tables of a pipeline that changes another."""
    merged = {name: {**base.get(name, {}), **about.get(name, {})} for name in ("sources", "stages", "knobs")}
    merged["sources"] = {name: kind for name, kind in merged["sources"].items() if name not in merged["stages"]}
    return {**merged, "outputs": about.get("outputs", base.get("outputs", []))}


def _stage_function(name: str, path: Path) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    module, function = (module, function) if function else (f"digitalme.stages.{name}", name)
    try:
        found = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):
        found = None
    if found is None:
        raise InputError(f"{path}: no stage '{name}' (no module {module})")
    try:
        return getattr(importlib.import_module(module), function)
    except AttributeError:
        raise PipelineError(f"{path}: {module} has no function '{function}'") from None
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"stage '{name}' needs the package '{error.name}', which is not installed") from error


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(each for each in get_args(hint) if each is not type(None))
    return hint


def _where(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    path = Path(code.co_filename)
    return f"{function.__qualname__} ({path.parent.name}/{path.name}:{code.co_firstlineno})"


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
