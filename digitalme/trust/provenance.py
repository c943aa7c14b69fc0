"""Signed statements of origin: C2PA manifests inside MP4, PNG, JPEG and WAV, a signed sidecar beside anything else.

The key is this computer's own, made at the first use and kept in the user's data folder. It proves that a file is
unchanged since it was made here, not who sits at the computer: nobody vouches for the certificate. Formats: C2PA 2.1;
the sidecar is JSON with an ECDSA P-256 signature (RFC 6979 keys, RFC 5480 encoding) over its canonical text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from digitalme import __version__
from digitalme.errors import InputError
from digitalme.trust.consent import data_folder

EMBEDDED = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".wav": "audio/wav"}
SIDECAR = ".provenance.json"
AI_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for media that combines a real source with synthetic parts: what Article 50 asks to be marked."""


@dataclass(frozen=True)
class Finding:
    """One thing that is true of a file: what was checked, whether it holds (None: nothing there), and in words."""

    what: str
    holds: bool | None
    words: str


SIGNED = (".mp4", ".png", ".glb", ".vrm", ".vrma", ".fbx", ".usd", ".usda", ".usdc", ".usdz", ".obj", ".zip")
"""What a build signs among the files that it hands over."""


def seal(folder: Path, about: dict) -> None:
    """Sign every file of a folder that shows or carries the person."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SIGNED:
            sign(path, about)


@dataclass(frozen=True)
class Identity:
    """This computer's signing key, its certificate, and the root that issued it. PEM text."""

    key: str
    chain: str


def identity(folder: Path | None = None) -> Identity:
    """Read the signing key, or make it at the first use. Readable by its owner only."""
    folder = folder or data_folder()
    key, chain = folder / "signing_key.pem", folder / "signing_chain.pem"
    if not (key.exists() and chain.exists()):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = _make_identity()
        for path, text in ((chain, made.chain), (key, made.key)):
            scratch = path.with_suffix(f".{os.getpid()}")
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            os.replace(scratch, path)
    return Identity(key.read_text("ascii"), chain.read_text("ascii"))


def _make_identity() -> Identity:
    """A root certificate and, issued by it, a signing certificate of the profile that C2PA asks for (section 14.5)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(UTC)

    def named(common: str) -> x509.Name:
        organisation = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "digitalme on this computer")
        return x509.Name([organisation, x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

    def certificate(subject, key, issuer, issuer_key, is_root: bool) -> x509.Certificate:
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **usage),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if not is_root:
            purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate(named("root"), root_key, named("root"), root_key, True)
    leaf = certificate(named("signer"), key, named("root"), root_key, False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(secret.decode(), (leaf.public_bytes(pem) + root.public_bytes(pem)).decode())


def sign(path: Path, about: dict, who: Identity | None = None) -> Path:
    """Sign a file in place (C2PA inside it) or beside it (a sidecar); returns the file that carries the signature.

    `about` is what to state beside the origin: consent, the run's key, the watermark's payload.
    """
    who = who or identity()
    if path.suffix.lower() in EMBEDDED:
        _embed(path, about, who)
        return path
    return _sign_beside(path, about, who)


def _embed(path: Path, about: dict, who: Identity) -> None:
    import c2pa

    manifest = {
        "claim_generator_info": [{"name": "digitalme", "version": __version__}],
        "title": path.name,
        "format": EMBEDDED[path.suffix.lower()],
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": AI_SOURCE}]},
            },
            {"label": "org.digitalme.about", "data": about},
        ],
    }
    signed = path.with_name(f".signed-{path.name}")
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, who.chain.encode(), who.key.encode(), None)
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})) as context,
        c2pa.Builder(manifest, context) as builder,
        path.open("rb") as source,
        signed.open("w+b") as target,
    ):
        builder.sign(signer, EMBEDDED[path.suffix.lower()], source, target)
    os.replace(signed, path)


def _canonical(statement: dict) -> bytes:
    return json.dumps(statement, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign_beside(path: Path, about: dict, who: Identity) -> Path:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(who.key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the signing key is not an elliptic-curve key")
    statement = {
        "format": "digitalme.provenance/1", "file": path.name, "sha256": _digest(path),
        "generator": f"digitalme {__version__}", "digitalSourceType": AI_SOURCE, "about": about,
    }  # fmt: skip
    signature = key.sign(_canonical(statement), ec.ECDSA(hashes.SHA256()))
    sidecar = path.with_name(path.name + SIDECAR)
    text = {"statement": statement, "signature": base64.b64encode(signature).decode(), "chain": who.chain}
    sidecar.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    return sidecar


def verify(path: Path) -> list[Finding]:
    """What is true of a file: its C2PA manifest, its sidecar, its watermark."""
    found = []
    if path.suffix.lower() in EMBEDDED:
        found.append(_verify_embedded(path))
    sidecar = path.with_name(path.name + SIDECAR)
    if sidecar.exists():
        found.append(_verify_beside(path, sidecar))
    elif path.suffix.lower() not in EMBEDDED:
        found.append(Finding("signature", None, f"no {sidecar.name} beside it"))
    if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".mp4", ".mkv", ".webm", ".mov"}:
        found.append(_verify_watermark(path))
    if path.suffix.lower() in {".glb", ".vrm"}:
        found.append(_verify_textures(path))
    if path.suffix.lower() in {".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".mp4", ".mkv", ".webm", ".mov"}:
        found.extend(_verify_sound(path))
    return found


def _verify_embedded(path: Path) -> Finding:
    import c2pa

    try:
        with path.open("rb") as file, c2pa.Reader(EMBEDDED[path.suffix.lower()], file) as reader:
            report = json.loads(reader.json())
            state = reader.get_validation_state()
        maker = report["manifests"][report["active_manifest"]]["claim_generator_info"][0]
        made = f"{maker['name']} {maker.get('version', '')}"
    except c2pa.C2paError.ManifestNotFound:
        return Finding("signature", None, "carries no C2PA manifest")
    except c2pa.C2paError as error:
        return Finding("signature", False, f"its C2PA manifest cannot be read ({str(error)[:120]})")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Finding("signature", False, "its C2PA manifest is damaged")
    if state == "Invalid":
        codes = {status["code"] for status in report.get("validation_status", [])} - {"signingCredential.untrusted"}
        return Finding("signature", False, f"changed after it was signed ({', '.join(sorted(codes)) or state})")
    return Finding("signature", True, f"unchanged since {made} made it")


def _verify_beside(path: Path, sidecar: Path) -> Finding:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        text = json.loads(sidecar.read_text(encoding="utf-8"))
        statement = text["statement"]
        leaf = x509.load_pem_x509_certificates(text["chain"].encode())[0].public_key()
        if not isinstance(leaf, ec.EllipticCurvePublicKey):
            return Finding("signature", False, f"{sidecar.name} was not signed by a key of ours")
        leaf.verify(base64.b64decode(text["signature"]), _canonical(statement), ec.ECDSA(hashes.SHA256()))
        same = statement["sha256"] == _digest(path)
    except InvalidSignature:
        return Finding("signature", False, f"{sidecar.name} was changed after it was signed")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, UnsupportedAlgorithm):
        return Finding("signature", False, f"{sidecar.name} is not a provenance file")
    if not same:
        return Finding("signature", False, "changed after it was signed (its digest differs)")
    return Finding("signature", True, f"unchanged since {statement.get('generator', 'digitalme')} made it")


def _verify_textures(path: Path) -> Finding:
    from digitalme.exporters.glb import read_textures
    from digitalme.trust.watermark import detect

    try:
        textures = read_textures(path)
    except InputError as error:
        return Finding("watermark", None, str(error))
    largest = sorted(textures, key=lambda texture: -texture.size)[:LOOKED_AT]
    for texture in largest:
        mark = detect([texture])
        if mark.found:
            return Finding("watermark", True, f"its texture was made by digitalme, mark {mark.payload:08x}")
    return Finding("watermark", None, "none found in its textures")


LOOKED_AT = 3
"""Textures of an avatar that are searched for a mark: the largest ones."""


def _verify_sound(path: Path) -> list[Finding]:
    from digitalme.trust.sound_mark import mark_in_file

    try:
        mark = mark_in_file(path)
    except InputError:
        return []  # no voice in it to speak of
    if not mark.found:
        return [Finding("speech", None, "no mark of synthesised speech found")]
    return [Finding("speech", True, f"synthesised by digitalme (by chance: {mark.chance:.0e})")]


def _verify_watermark(path: Path) -> Finding:
    from digitalme.trust.watermark import detect, pictures_of

    try:
        mark = detect(pictures_of(path))
    except InputError as error:
        return Finding("watermark", None, str(error))
    if not mark.found:
        return Finding("watermark", None, "none found")
    size = "" if abs(mark.scale - 1) < 0.02 else f", resized to {mark.scale:.0%}"
    return Finding(
        "watermark", True, f"made by digitalme, mark {mark.payload:08x} (by chance: {mark.chance:.0e}{size})"
    )
