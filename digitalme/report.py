"""report.html: one page with everything in it that a build made, to be sent around or kept."""

from __future__ import annotations

import base64
import html
import json
import tempfile
from pathlib import Path
from string import Template

import cv2
import numpy as np

from digitalme import __version__
from digitalme.artifacts import Avatar, Performance, Scorecard, Video
from digitalme.rendering.preview import turntable
from digitalme.run import Run
from digitalme.studio import viewer

_WIDEST = 1200
"""Previews are drawn at most this wide, pixels."""


def write_report(done: Run, path: Path, title: str) -> None:
    """Write the page. Pictures and the video are inside it; it fetches nothing."""
    order = sorted(done.keys, key=done.pipeline.number)
    parts = {name: done.load(name) for name in order}
    pieces = [_video(part) for part in parts.values() if isinstance(part, Video)]
    scores = "".join(_scores(part) for part in parts.values() if isinstance(part, Scorecard))
    pictures = {name: part.preview() for name, part in parts.items() if name in done.pipeline.nodes}
    if "portrait" in pictures:  # the left half is the portrait itself
        pieces.insert(0, _picture(pictures["portrait"][:, : pictures["portrait"].shape[1] // 2], "the photo"))
    if "avatar" in pictures:
        pieces.append(f"<div class=across>{_picture(pictures['avatar'], 'the avatar')}</div>")
    view = _view(parts["avatar"], parts.get("performance")) if "avatar" in pictures else ""
    stages = "".join(_stage(done, name, picture) for name, picture in pictures.items())
    page = _PAGE.substitute(
        title=html.escape(title), version=__version__, top="".join(pieces), view=view, scores=scores, stages=stages
    )
    path.write_text(page, encoding="utf-8")


def _view(avatar: Avatar, performance: Performance | None) -> str:
    """The avatar to turn and to move; where the view was not built, a video of it that turns."""
    if not viewer.is_built():
        data = base64.b64encode(turntable(avatar)).decode()
        return (
            f'<section><video autoplay muted loop playsinline src="data:video/mp4;base64,{data}"></video>'
            f"<p class=facts>{html.escape(viewer.HOW_TO_BUILD)}</p></section>"
        )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "avatar.view"
        viewer.write_view(avatar, path)
        data = base64.b64encode(path.read_bytes()).decode()
    about = {"expressions": viewer.EXPRESSIONS, "performance": viewer.view_of(performance) if performance else None}
    told = json.dumps(about, separators=(",", ":")).replace("<", "\\u003c")
    script = viewer.static("report.js").replace("</script", "<\\/script")
    return (
        f"<style>{viewer.static('viewer.css')}</style>"
        '<section id=viewer class="split"></section>'
        f'<script type="application/octet-stream" id=viewer-avatar>{data}</script>'
        f'<script type="application/json" id=viewer-about>{told}</script><script>{script}</script>'
    )


def _video(video: Video) -> str:
    data = base64.b64encode(video.path.read_bytes()).decode()
    return f'<video controls loop playsinline src="data:video/mp4;base64,{data}"></video>'


def _picture(image: np.ndarray | None, label: str) -> str:
    """An <img> of an RGB picture, as JPEG."""
    if image is None:
        return ""
    if image.shape[1] > _WIDEST:
        size = (_WIDEST, max(1, round(image.shape[0] * _WIDEST / image.shape[1])))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., 2::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return f'<img alt="{html.escape(label)}" src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}">'


def _stage(done: Run, name: str, picture: np.ndarray | None) -> str:
    about = done.store.about(done.keys[name])
    when = "kept from before" if name in done.cached else "made in this run"
    facts = [f"{about['seconds']:.2f} s" if "seconds" in about else "given in its place"]
    if memory := about.get("peak_memory_mb"):
        facts.append(f"process peak {memory:.0f} MB")
    facts += [when] if "seconds" in about else []
    knobs = "".join(
        f"<tr><td>{html.escape(knob)}</td><td>{html.escape(json.dumps(setting))}</td></tr>"
        for knob, setting in about.get("config", {}).items()
    )
    files = ", ".join(html.escape(file) for file in about["files"])
    return (
        f"<section><h2>{done.pipeline.number(name)}. {html.escape(name)}</h2>"
        f"<p class=facts><code>{html.escape(about.get('where', about['stage']))}</code> · {' · '.join(facts)}</p>"
        f"{_picture(picture, name)}"
        f"<details><summary>knobs and files</summary><table>{knobs}</table><p>{files}</p></details></section>"
    )


def _scores(card: Scorecard) -> str:
    rows = []
    for score in card.scores:
        value = "not measured" if score.value is None else f"{score.value:.3g} {score.unit}"
        controls = ", ".join(f"{name} {figure:.3g}" for name, figure in score.controls.items())
        cells = (score.name, value, score.wanted, controls, score.note)
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{label}</th>" for label in ("measure", "this build", "wanted", "controls", "note"))
    return f"<section><h2>Score</h2><div class=wide><table><tr>{head}</tr>{''.join(rows)}</table></div></section>"


_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title · digitalme</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1d1c1a; --soft: #6d6a64; --line: #e4e1da; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161615; --card: #1f1f1d; --ink: #eceae4; --soft: #a19d94; --line: #35342f; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: clamp(16px, 4vw, 48px); }
h1 { font-size: clamp(1.6rem, 4vw, 2.4rem); font-weight: 650; margin: 0 0 .2em; letter-spacing: -.02em; }
h2 { font-size: 1.15rem; font-weight: 600; margin: 0 0 .2em; }
.soft, .facts { color: var(--soft); margin: 0 0 1em; font-size: .9rem; }
.top { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 16px;
  margin: 24px 0; }
.top > * { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 12px; background: var(--line); }
.top > .across { grid-column: 1 / -1; aspect-ratio: auto; overflow: hidden; }
.across img { width: 100%; display: block; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin: 16px 0; }
section img { width: 100%; height: auto; border-radius: 6px; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
td, th { text-align: left; padding: 4px 16px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
details { margin-top: 12px; font-size: .9rem; color: var(--soft); }
summary { cursor: pointer; }
code { font: .88em ui-monospace, monospace; }
</style></head><body><main>
<h1>$title</h1>
<p class=soft>Synthetic media, made from a photograph and a voice by digitalme $version.</p>
<div class=top>$top</div>
$view
$scores
$stages
</main></body></html>
""")
