"""The Dockerfile, where no Docker is: all that it names is there, and what it starts starts and is found healthy."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KNOWN = {"FROM", "RUN", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}


def steps() -> list[tuple[str, str]]:
    """(instruction, its text), lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def step(name: str) -> str:
    (found,) = [text for kind, text in steps() if kind == name]
    return found


def test_all_that_it_names_is_there():
    assert {kind for kind, _ in steps()} <= KNOWN
    source, there = step("COPY").split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commands = " ".join(text for kind, text in steps() if kind == "RUN")
    named = re.findall(rf"{there}/(\S+\.\w+)", commands)
    assert named
    assert all((ROOT / source / name).is_file() for name in named)
    extras = re.findall(r"--extra (\S+)", commands)
    assert {"serve", "tts"} <= set(extras) <= project["optional-dependencies"].keys()
    image, version = re.fullmatch(r"(python):([\d.]+)-slim", step("FROM")).groups()
    low, high = re.findall(r"3\.(\d+)", project["requires-python"])
    assert image == "python"
    assert int(low) <= int(version.split(".")[1]) < int(high)
    # one user, who is nobody; what is written lies on the volume, which is theirs
    assert step("USER") in re.findall(r"useradd .*?(\w+) &&", commands)
    assert f"chown {step('USER')} {step('VOLUME')}" in commands
    written = dict(pair.split("=", 1) for pair in shlex.split(step("ENV")) if not pair.startswith("PATH="))
    assert all(Path(folder).is_relative_to(step("VOLUME")) for folder in written.values())
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "**/node_modules"} <= set(ignored)


@pytest.mark.slow
def test_what_it_starts_is_healthy(tmp_path):
    """Its CMD with folders of the test in place of the volume's, asked by its own HEALTHCHECK."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    (tmp_path / "tokens").write_text("anna " + "a" * 20 + "\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = json.loads(step("CMD"))
    assert command[0] == "digitalme"
    command = [part.replace("/data", f"{tmp_path}/data").replace("/tokens", f"{tmp_path}/tokens") for part in command]
    command = [sys.executable, "-m", "digitalme.cli", *command[1:], "--port", str(port)]
    kind, check = step("HEALTHCHECK").partition("CMD ")[::2]
    assert "--interval" in kind
    check = check.replace(step("EXPOSE"), str(port))
    assert str(port) in check
    ask = [sys.executable, *shlex.split(check)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(ask, capture_output=True).returncode != 0, "healthy without a service"
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(ask, capture_output=True).returncode and service.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert service.poll() is None
        finally:
            service.terminate()
            service.wait(20)
