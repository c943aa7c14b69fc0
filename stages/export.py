"""Export: the avatar and its performance as files that other programs load."""

from __future__ import annotations

from digitalme import events
from digitalme.artifacts import Avatar, Exports, Performance
from digitalme.exporters.formats import export_files
from digitalme.exporters.options import DEFAULT, ExportConfig


def export(avatar: Avatar, performance: Performance | None = None, config: ExportConfig = DEFAULT) -> Exports:
    """Files of every format that the config names; they lie in the run's scratch folder until the artifact is saved."""
    return Exports(export_files(avatar, performance, events.scratch(), config))
