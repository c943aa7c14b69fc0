"""One line a stage on the terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from digitalme.events import Event


class ProgressBar:
    """A listener that draws events as bars, and the context manager that it is drawn in."""

    def __init__(self, quiet: bool = False) -> None:
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.fields[name]:<12}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        self._bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def ask(self, question: str) -> str:
        """Put a question to the person at the terminal, with the bars out of the way."""
        self._bars.stop()
        try:
            return self._bars.console.input(question + "> ", markup=False)
        except EOFError:
            return ""
        finally:
            self._bars.start()

    def __call__(self, event: Event) -> None:
        name = event.artifact
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task("", name=name, note="", total=None)
        task = self._tasks[name]
        match event.what:
            case "progress":
                self._bars.update(task, completed=event.done, total=event.total)
            case "cached":
                self._bars.update(task, completed=1, total=1, note="[dim]kept from before")
            case "finished":
                self._bars.update(task, completed=1, total=1, note="")
                self._bars.stop_task(task)
            case "failed":
                self._bars.update(task, note="[red]failed")
                self._bars.stop_task(task)
            case "damaged":
                self._bars.update(task, note="[yellow]damaged on disk; made again")
