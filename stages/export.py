"""Export: the avatar and its performance as files that other programs load."""

from __future__ import annotations

import tempfile
from pathlib import Path

from digitalme.artifacts import Avatar, Exports, Performance
from digitalme.exporters.formats import export_files
from digitalme.exporters.options import ExportConfig


def export(avatar: Avatar, performance: Performance, config: ExportConfig) -> Exports:
    """Files of every format that the config names; they lie in a scratch folder until the artifact is saved."""
    return Exports(export_files(avatar, performance, Path(tempfile.mkdtemp(prefix="digitalme-export-")), config))
