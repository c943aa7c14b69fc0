"""The guide's code blocks run, its TOML is TOML, and the links of all pages lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from digitalme.store import Store

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_guide_runs(tmp_path):
    names = {"store": Store(tmp_path / "store")}
    code = blocks(ROOT / "docs" / "guide.md", "python")
    assert len(code) >= 4
    for block in code:
        exec(compile(block, "docs/guide.md", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page):
    for block in blocks(page, "toml"):
        tomllib.loads(block)
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)\)|src=\"([^\"]+)\"", text):
        target = "".join(link)
        assert target.startswith("#") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_shows_what_the_command_line_has():
    from digitalme.cli import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"digitalme ([a-z]+)", text))
    assert named <= set(COMMANDS), named - set(COMMANDS)
