"""Signpost: in a checkout the stages live in ../stages; an installed wheel carries them right here."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[1] / "stages")]
