"""An order: one person to be made, as a line of a table or a request asks for it. Plain text, so it can travel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from digitalme.errors import InputError
from digitalme.events import Listener


@dataclass(frozen=True)
class Order:
    """What `digitalme build` takes, for any process that sees the files."""

    out: str
    """The folder to write to."""
    selfie: str = ""
    """A photo; or none, where there is a prompt."""
    voice: str = ""
    say: str = ""
    prompt: str = ""
    look: str = ""
    """"" is the photo's own, or what the prompt asks for."""
    consent: str = ""
    store: str = ""
    """Where artifacts are kept: a folder or an fsspec address; "" is the user's own store."""
    pipeline: str = "default"
    until: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage name to knobs."""
    use: Mapping[str, str] = field(default_factory=dict)
    """Artifact to a file, or a folder, that takes its place."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Order:
        return cls(**json.loads(text))

    def carry_out(self, on_event: Listener = lambda event: None) -> dict[str, str]:
        """Build it; keys by artifact. Raises what `product.build` raises."""
        from digitalme import product

        if bool(self.selfie) == bool(self.prompt.strip()):
            raise InputError("expected a photo, or a person in words, and one of them only")
        voice = Path(self.voice) if self.voice else None
        look, felt = product.wished(self.prompt)
        settings = product.merged(product.look_settings(self.look or look), felt, self.settings)
        pipeline = self.pipeline
        if self.say and voice is None:
            settings = product.merged({"speak": {"text": self.say}}, settings)
            pipeline = "say" if pipeline == "default" else pipeline
        how = product.How(
            pipeline, self.store or None, settings, self.until or None,
            use={name: Path(path) for name, path in self.use.items()}, on_event=on_event, consent=self.consent,
        )  # fmt: skip
        done = product.build(
            product.Inputs(Path(self.selfie) if self.selfie else None, voice, self.say, prompt=self.prompt),
            Path(self.out),
            how,
        )
        return dict(done.keys)
