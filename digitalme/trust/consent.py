"""Who is in the photo, and who agreed to what: a record beside the store's artifacts, known by the photo's digest.

Its own digest goes into the run's record and into the exported avatar (glTF asset.extras), so that a file can be
traced to the words that were agreed to without carrying them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from digitalme.errors import InputError

QUESTION = """This makes a speaking likeness of the person in the photo. That needs the person's agreement.
Who is it, and what did they agree to? (For example: "It is me, for my own use.")
"""


CONSENT_BYTES = 2**20
"""So much of a video's beginning stands for it in a record."""


@dataclass(frozen=True)
class Consent:
    """What was said about a photo's person. `subject` and `signed` come from a JSON record, where one was given."""

    statement: str
    given: str
    """When it was recorded, UTC."""
    photo: str
    """SHA-256 of the photo's bytes."""
    subject: str = ""
    signed: str = ""
    """A signature made elsewhere, kept as it came; it is not checked here."""
    signer: str = ""
    """The Ed25519 public key, hex, under which the record was signed; its signature was checked."""

    @property
    def digest(self) -> str:
        """SHA-256 of what was said, by whom and about which photo, for files that refer to it. The time is left out:
        the same words give the same files."""
        said = {
            name: value for name, value in asdict(self).items() if name != "given" and (name, value) != ("signer", "")
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def consent_for(photo: bytes, said: str, root: Path, ask: Callable[[str], str] | None) -> Consent | None:
    """The record of a photo: what is said now (words, or a JSON file), else what was recorded, else the answer.

    `ask` puts the question to a person; None where nobody is there. Without an answer there is no record, and None is
    returned. Raises InputError for a record that cannot be used.
    """
    digest = hashlib.sha256(photo).hexdigest()
    path = _path(root, digest)
    if said.strip():
        return _kept(_from_words(said, digest), path)
    if path.is_file():
        return _read(path, digest)
    answer = ask(QUESTION).strip() if ask is not None else ""
    return _kept(_from_words(answer, digest), path) if answer else None


def forget_consent(photo: bytes, root: Path) -> bool:
    """Remove a photo's record; whether there was one."""
    path = _path(root, hashlib.sha256(photo).hexdigest())
    known = path.is_file()
    path.unlink(missing_ok=True)
    return known


def _path(root: Path, digest: str) -> Path:
    return root / "consent" / f"{digest}.json"


def _from_words(said: str, digest: str) -> Consent:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if not said.strip().endswith(".json"):
        return _as_text(Consent(said.strip(), now, digest), "--consent")
    path = Path(said.strip())
    signer = ""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        record = {name: str(about.get(name, "")) for name in ("statement", "subject", "signed")}
        if "signature" in about:
            signer = _signer(about, path)
    except OSError as error:
        raise InputError(f"--consent {path}: cannot be read ({error.strerror})") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"--consent {path}: not a JSON record ({error}); expected statement, subject, signed"
        ) from None
    if not record["statement"]:
        raise InputError(f"--consent {path}: holds no 'statement' of what was agreed to")
    if about.get("photo") not in (None, "", digest):
        raise InputError(f"--consent {path}: is about another photo")
    made = Consent(record["statement"], now, digest, record["subject"], record["signed"], signer)
    return _as_text(made, f"--consent {path}")


def _as_text(consent: Consent, whose: str) -> Consent:
    """The record, where its words can be written down. Raises InputError for halves of characters (surrogates)."""
    try:
        "".join(asdict(consent).values()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{whose}: holds characters that are none; expected text in UTF-8") from None
    return consent


def signed_record(statement: str, subject: str, photo: bytes, key: Path | None = None) -> dict[str, str]:
    """A record as `--consent` takes it, signed with an Ed25519 key: a PEM file, by default this user's own (made at the
    first use). The signature is over the canonical JSON of everything else in the record.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not statement.strip():
        raise InputError('no statement was given; expected what was agreed to, for example "It is me, for my own use."')
    key = key or data_folder() / "consent_key.pem"
    if not key.exists():
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{key}: not a readable key ({error}); expected an Ed25519 key in PEM") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{key}: not an Ed25519 key")
    public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    record = {
        "statement": statement.strip(), "subject": subject.strip(), "photo": hashlib.sha256(photo).hexdigest(),
        "date": datetime.now(UTC).date().isoformat(), "public_key": public.hex(),
    }  # fmt: skip
    return {**record, "signature": private.sign(_canonical(record)).hex()}


def _signer(about: dict, path: Path) -> str:
    """The public key of a signed record. Raises InputError where the signature does not hold."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    record = {name: value for name, value in about.items() if name != "signature"}
    try:
        public = bytes.fromhex(record["public_key"])
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(about["signature"]), _canonical(record))
    except (InvalidSignature, KeyError, ValueError, TypeError):
        raise InputError(f"--consent {path}: its signature does not hold; it was changed after it was signed") from None
    return public.hex()


def _canonical(record: dict) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def data_folder() -> Path:
    """Where a user's own keys are."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "digitalme"


def _read(path: Path, digest: str) -> Consent:
    try:
        consent = Consent(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not readable ({error}); give --consent again") from None
    if consent.photo != digest:
        raise InputError(f"{path}: is the record of another photo; give --consent again")
    return consent


def _kept(consent: Consent, path: Path) -> Consent:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(consent), file, indent=1, ensure_ascii=False)
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)
    return consent
