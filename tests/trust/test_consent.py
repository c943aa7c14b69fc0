"""Consent is asked for once, kept beside the artifacts, and traceable from a file; forgetting leaves nothing."""

from __future__ import annotations

import json

import pytest

from digitalme import product
from digitalme.artifacts import Photo
from digitalme.errors import InputError
from digitalme.forget import forget
from digitalme.pipeline import Pipeline
from digitalme.run import run
from digitalme.store import Store
from digitalme.trust.consent import consent_for, signed_record
from tests.fakes import numbers
from tests.fakes.numbers import Number

PHOTO = b"a photo"


def never(question: str) -> str:
    raise AssertionError("asked again")


def test_asked_once_then_remembered(tmp_path):
    first = consent_for(PHOTO, "", tmp_path, lambda question: " It is me, for my own use. ")
    assert first.statement == "It is me, for my own use."
    assert consent_for(PHOTO, "", tmp_path, never) == first
    assert (tmp_path / "consent").stat().st_mode & 0o777 == 0o700


def test_no_answer_is_no_record(tmp_path):
    assert consent_for(PHOTO, "", tmp_path, lambda question: "  ") is None
    assert consent_for(PHOTO, "", tmp_path, None) is None
    assert not (tmp_path / "consent").exists()


def test_words_win_and_are_told_apart(tmp_path):
    first = consent_for(PHOTO, "yes, for a film", tmp_path, never)
    second = consent_for(PHOTO, "no longer for the film", tmp_path, never)
    assert first.digest != second.digest
    assert consent_for(PHOTO, "", tmp_path, never) == second
    assert consent_for(b"another photo", "yes, for a film", tmp_path, never).digest != first.digest


def test_json_record(tmp_path):
    record = {"statement": "for the museum", "subject": "E. C.", "signed": "-----BEGIN"}
    (tmp_path / "agreed.json").write_text(json.dumps(record))
    consent = consent_for(PHOTO, str(tmp_path / "agreed.json"), tmp_path, never)
    assert (consent.statement, consent.subject, consent.signed) == tuple(record.values())


@pytest.mark.parametrize("text", ["", "[1]", '{"subject": "x"}', "{"])
def test_unusable_record(tmp_path, text):
    (tmp_path / "agreed.json").write_text(text)
    with pytest.raises(InputError, match=r"agreed\.json"):
        consent_for(PHOTO, str(tmp_path / "agreed.json"), tmp_path, never)


def test_record_of_another_photo_is_refused(tmp_path):
    consent_for(PHOTO, "yes", tmp_path, never)
    (path,) = (tmp_path / "consent").iterdir()
    path.write_text(path.read_text().replace('"photo": "', '"photo": "0'))
    with pytest.raises(InputError, match="another photo"):
        consent_for(PHOTO, "", tmp_path, never)


def test_signed_record(tmp_path, monkeypatch):
    """It holds as it was signed, for its own photo; a changed word, key or photo is found. The key is private."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    record = signed_record("for the museum", "E. C.", PHOTO)
    path = tmp_path / "agreed.json"
    path.write_text(json.dumps(record))
    consent = consent_for(PHOTO, str(path), tmp_path, never)
    assert (consent.statement, consent.signer) == ("for the museum", record["public_key"])
    assert consent_for(PHOTO, "", tmp_path, never) == consent
    assert (tmp_path / "data/digitalme/consent_key.pem").stat().st_mode & 0o077 == 0
    assert signed_record("again", "", PHOTO)["public_key"] == record["public_key"]
    with pytest.raises(InputError, match="another photo"):
        consent_for(b"another photo", str(path), tmp_path, never)
    for name, value in (("statement", "for a film"), ("photo", ""), ("public_key", "00" * 32), ("signature", "x")):
        path.write_text(json.dumps({**record, name: value}))
        with pytest.raises(InputError, match="signature does not hold"):
            consent_for(PHOTO, str(path), tmp_path, never)


def test_no_words_are_not_signed(tmp_path):
    with pytest.raises(InputError, match="no statement"):
        signed_record(" ", "", PHOTO, tmp_path / "key.pem")
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(InputError, match="not a readable key"):
        signed_record("yes", "", PHOTO, tmp_path / "bad.pem")


def test_where_consent_is_required_a_build_without_it_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITALME_REQUIRE_CONSENT", "1")
    (tmp_path / "me.png").write_bytes(b"a picture")
    how = product.How(store=tmp_path / "store")
    with pytest.raises(InputError, match="--consent"):
        product.build(product.Inputs(tmp_path / "me.png"), tmp_path / "out", how)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- forgetting


def counted(photo: Photo) -> Number:
    return Number(len(photo.data))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def build(store: Store, photo: Photo, start: int):
    stages = {"length": counted, "raised": numbers.raised, "halved": numbers.halved, "total": numbers.total}
    line = Pipeline.of(stages, {"photo": Photo, "start": Number}, {"total": {"extra": "length"}})
    return run(line, ["total"], store=store, given={"photo": photo, "start": Number(start)})


def test_forgets_all_that_was_made_of_it_and_nothing_else(store):
    consent_for(b"mine", "it is me", store.root, never)
    mine, renamed, other = Photo(b"mine", "me.jpg"), Photo(b"mine", "copy.jpg"), Photo(b"hers", "her.jpg")
    done, copied, kept = build(store, mine, 1), build(store, renamed, 2), build(store, other, 3)
    gone = forget(store, [done.keys["photo"]])
    assert gone.left == ()
    assert gone.runs == 2
    removed = {done.keys["photo"], copied.keys["photo"], done.keys["length"]}
    removed |= {done.keys["total"], copied.keys["total"], copied.keys["length"]}
    assert gone.artifacts == len(removed)
    assert not any(key in store for key in removed)
    for key in kept.keys.values():
        store.check(key)
    # The number that the runs started from was given, too, but not by these keys.
    assert done.keys["raised"] in store
    assert list((store.root / "consent").iterdir()) == []
    held = b"".join(path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    assert b"mine" not in held
    assert b"hers" in held


def test_forgets_what_it_cannot_read(store):
    done = build(store, Photo(b"mine", "me.jpg"), 1)
    (done.path("length") / "artifact.json").write_text("{")
    gone = forget(store, [done.keys["photo"]])
    assert gone.left == ()
    assert done.keys["length"] not in store


def test_what_a_stage_made_is_no_root(store):
    """The keys of a whole build may be given; only what came from outside counts as the person's."""
    done, kept = build(store, Photo(b"mine", "me.jpg"), 1), build(store, Photo(b"hers", "her.jpg"), 1)
    assert done.keys["raised"] == kept.keys["raised"]
    forget(store, [done.keys["photo"], done.keys["raised"]])
    store.check(kept.keys["raised"])
