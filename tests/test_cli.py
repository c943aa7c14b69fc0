"""The command line: what it says when it cannot, and with which exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digitalme.cli import main, printable


def said(capsys) -> str:
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "--video", "none.mp4"], "digitalme: video none.mp4: no such file"),
        (["build", "--selfie", "a.jpg", "b.jpg"], "digitalme: photo a.jpg: no such file"),
        (["build", "--selfie", "a.jpg", "--video", "b.mp4"], "digitalme: build: expected either --selfie PHOTO or"),
        (["build", "--selfie", "none.jpg"], "digitalme: photo none.jpg: no such file"),
        (["talk", "nowhere", "--voice", "v.wav"], "digitalme: nowhere: not a folder that `digitalme build` wrote"),
        (["build", "--selfie", "x.jpg", "--look", "photos"], "digitalme: no look 'photos'; did you mean 'photo'?"),
        (["build", "--selfie", "x.jpg", "--set", "size"], "digitalme: --set size: expected STAGE.KNOB=VALUE"),
        (["build", "--selfie", "x.jpg", "--use", "portrait"], "digitalme: --use portrait: expected ARTIFACT=FILE"),
        (["build", "--selfie", "x.jpg", "--config", "no.toml"], "digitalme: no.toml: cannot be read"),
        (["build", "--selfie", "x.jpg", "--say", "a", "--write", "b"], "digitalme: --say, --say-file and --write each"),
        (["build", "--selfie", "x.jpg", "--write", "b"], "digitalme: --write needs --language-model PATH"),
        (["build", "--selfie", "x.jpg", "--say-file", "no.txt"], "digitalme: --say-file no.txt: no such file"),
        (
            ["build", "--selfie", "x.jpg", "--write", "b", "--language-model", "."],
            "digitalme: --language-model .: expected",
        ),
        (["stages", "--pipeline", "defualt"], "digitalme: no pipeline 'defualt'"),
    ],
)
def test_unusable_command_line(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITALME_STORE", str(tmp_path / "store"))
    assert main(arguments) == 2
    message = said(capsys)
    assert message.startswith(says)
    assert len(message.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"store"}


@pytest.mark.parametrize("given", [[], ["--selfie", "me.jpg", "--prompt", "a man"], ["--prompt", " "]])
def test_a_build_is_of_a_photo_or_of_words(given, capsys):
    assert main(["build", *given]) == 2
    assert "expected either --selfie PHOTO or --prompt" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["bild"], ["verify"], ["talk", "me", "--voices", "x"]])
def test_unknown_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert said(capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_out_is_found_first_as_a_user(capsys, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert main(["build", "--selfie", "none.jpg", "--out", str(locked / "me")]) == 2
    assert "cannot be written (Permission denied)" in said(capsys)


def test_unwritable_out_is_found_first(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["build", "--selfie", "none.jpg", "--out", str(tmp_path / "file" / "me")]) == 2
    assert said(capsys).endswith("cannot be written (Not a directory); choose another folder")
    assert main(["build", "--selfie", "none.jpg", "--out", "/proc/me"]) == 2


def test_what_is_printed_cannot_drive_the_terminal():
    assert printable("a\x1b[2Jb\nc\x07\u202e") == "a\ufffd[2Jb\nc\ufffd\ufffd"
    assert printable("我的照片 é.jpg") == "我的照片 é.jpg"


def test_strange_file_name_is_told_harmlessly(capsys, tmp_path):
    assert main(["build", "--selfie", "me\x1b]0;owned\x07.jpg", "--out", str(tmp_path / "out")]) == 2
    assert "\x1b" not in said(capsys)
    assert not (tmp_path / "out").exists()


def test_out_is_left_as_it_was(tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    assert main(["build", "--selfie", "none.jpg", "--out", str(out)]) == 2
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_empty_and_huge_files(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.jpg").write_bytes(b"")
    with Path("huge.jpg").open("wb") as file:
        file.truncate(200 * 2**20)
    for name, says in (("empty", "the file is empty"), ("huge", "200 MB, expected at most 100 MB")):
        assert main(["build", "--selfie", f"{name}.jpg", "--out", "out"]) == 2
        assert says in said(capsys)
