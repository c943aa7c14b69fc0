"""Many people from one table: `digitalme batch people.csv --out many/ --workers N`.

The table has a row for each person: name, and selfie or prompt; voice or say; look, consent, and any knob as
`stage.knob`. The queue lies in the out folder, so the same command goes on where it was stopped. A failed person stops
nobody else; many/index.html shows all.
"""

from __future__ import annotations

import csv
import hashlib
import html
import os
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from digitalme.config import suggestion
from digitalme.errors import InputError, MissingExtraError
from digitalme.product import folder_name
from digitalme.service.orders import Order
from digitalme.service.queue import Job, Queue, worker_name
from digitalme.service.worker import Crew, line_of

COLUMNS = ("name", "selfie", "prompt", "voice", "say", "look", "consent", "pipeline")
LARGEST_TABLE = 50 * 2**20


@dataclass(frozen=True)
class Person:
    """A row of the table."""

    name: str
    folder: str
    """The folder of theirs inside the out folder."""
    order: Order


def read_table(path: Path, out: Path, defaults: Mapping[str, str] | None = None, store: str = "") -> list[Person]:
    """The people of a CSV file with a header. Paths in it are relative to its own folder.

    `defaults` fills columns that the table has not. Raises InputError with the line where a row cannot be used.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path}: {path.stat().st_size >> 20} MB; a table of people has at most 50 MB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [str(column or "").strip() for column in reader.fieldnames or ()]
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV table in UTF-8 ({error})") from None
    for column in columns:
        if column not in COLUMNS and not re.fullmatch(r"\w+\.\w+", column):
            raise InputError(
                f"{path}: no column {column!r} is known{suggestion(column, COLUMNS)}; there are {', '.join(COLUMNS)},"
                " and knobs as stage.knob"
            )
    people: list[Person] = []
    taken: set[str] = set()
    for line, raw in rows:
        row = {**(defaults or {}), **{str(k).strip(): str(v).strip() for k, v in raw.items() if v and k is not None}}
        if not any(value for value in raw.values() if value and str(value).strip()):
            continue
        if None in raw:
            raise InputError(f"{path}, line {line}: has more cells than the header; put text with commas in quotes")
        if bool(row.get("selfie")) == bool(row.get("prompt")):
            raise InputError(f"{path}, line {line}: expected a selfie or a prompt, and one of them only")
        name = row.get("name") or Path(row.get("selfie", "")).stem or f"person {len(people) + 1}"
        folder = _folder(name, len(people) + 1, taken)
        taken.add(folder.casefold())
        people.append(Person(name, folder, _order(row, path.parent, out / folder, store)))
    if not people:
        raise InputError(f"{path}: holds nobody; expected a header and a row for each person")
    return people


def _order(row: Mapping[str, str], here: Path, out: Path, store: str) -> Order:
    settings: dict[str, dict[str, str]] = {}
    for column, value in row.items():
        stage, dot, knob = column.partition(".")
        if dot:
            settings.setdefault(stage, {})[knob] = value

    def file(column: str) -> str:
        return str(here / row[column]) if row.get(column) else ""

    return Order(
        out=str(out), selfie=file("selfie"), voice=file("voice"), say=row.get("say", ""), prompt=row.get("prompt", ""),
        look=row.get("look", ""), consent=row.get("consent", ""), pipeline=row.get("pipeline", "default"),
        store=store, settings=settings,
    )  # fmt: skip


def _folder(name: str, number: int, taken: set[str]) -> str:
    """A person's folder: no two alike, on file systems that fold case neither."""
    plain = folder_name(unicodedata.normalize("NFC", name), f"person-{number}")
    found, count = plain, 1
    while found.casefold() in taken:
        count += 1
        found = f"{plain}-{count}"
    return found


QUEUE = "batch.sqlite"
PAGE = "index.html"


def enqueue(people: list[Person], queue: Queue) -> None:
    """Put a table's people into the queue. Who is there already stays as they are, unless their row has changed or
    what was made of them is gone; who is in the table no more and was not begun is taken out.
    """
    wanted = {}
    for person in people:
        order = person.order.to_json()
        wanted[hashlib.sha256(f"{person.folder}\0{order}".encode()).hexdigest()[:16]] = person
    for job in queue.jobs():
        gone = job.state == "done" and not (Path(job.order.out) / "run" / "run.json").is_file()
        if job.id not in wanted or gone:
            queue.remove(job.id)
    for id, person in wanted.items():
        queue.add(person.order, name=person.name, id=id)


def run_here(queue: Queue, workers: int, each: Callable[[], None]) -> int:
    """Have the queue done by processes of this machine; how many of them died and were replaced."""
    crew = Crew(queue, workers, until_empty=True)
    queue.take_back(seconds=-1)  # this folder has one crew: what runs belonged to a dead one
    try:
        while True:
            crew.keep()
            each()
            if not crew.members:
                counts = queue.counts()
                if counts["waiting"] + counts["running"] == 0:
                    return crew.deaths
            time.sleep(0.5)
    finally:
        crew.stop()


def run_on_cluster(queue: Queue, address: str, each: Callable[[], None]) -> int:
    """Have the queue done by a Dask cluster, whose machines see the same files (and the same store)."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise MissingExtraError("--scheduler needs Dask: pip install 'digitalme[scale]'") from None
    me = worker_name()
    waiting: dict[Any, Job] = {}
    queue.take_back(seconds=-1)
    try:
        client = Client(address, timeout=20)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"--scheduler {address}: cannot be reached ({error})") from None
    with client:
        while True:
            while len(waiting) < 2 * max(1, len(client.scheduler_info()["workers"])):
                job = queue.claim(me)
                if job is None:
                    break
                waiting[client.submit(carry_out_text, job.order.to_json(), key=f"{job.id}-{job.tries}", retries=2)] = (
                    job
                )
            if not waiting:
                return 0
            time.sleep(0.2)
            each()
            for future, job in list(waiting.items()):
                if not future.done():
                    queue.beat(job.id, me)
                    continue
                del waiting[future]
                lost = future.exception()
                if lost is None:
                    kind, message = future.result()
                else:  # by the cluster: workers died under it
                    kind, message = "failed", line_of(lost)
                queue.finish(job.id, me, message, again=kind == "failed")


def carry_out_text(order: str) -> tuple[str, str]:
    """Do an order on any machine; ("done" | "refused" | "failed", why). Errors travel as text."""
    try:
        Order.from_json(order).carry_out()
    except InputError as error:
        return "refused", line_of(error)
    except Exception as error:  # noqa: BLE001  whatever happens to one person, the next ones are made
        return "failed", line_of(error)
    return "done", ""


def write_page(queue: Queue, out: Path, title: str) -> None:
    """The summary: a picture, the files and the state of everybody."""
    cards = []
    for job in queue.jobs():
        folder = Path(job.order.out)
        here = quote(folder.name)
        files = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        picture = f'<img loading="lazy" alt="" src="{here}/portrait.png">' if "portrait.png" in files else "<i></i>"
        shown = [name for name in files if not name.endswith(".provenance.json")]
        links = " ".join(f'<a href="{here}/{quote(name)}">{html.escape(name)}</a>' for name in shown)
        seconds = f"{job.finished - job.started:.0f} s" if job.state == "done" else ""
        told = html.escape(job.message or seconds)
        who = html.escape(job.name)
        card = f'<section class="{job.state}">{picture}<h2>{who}</h2><p>{job.state} {told}</p>{links}</section>'
        cards.append(card)
    counts = ", ".join(f"{count} {state}" for state, count in queue.counts().items() if count)
    text = _PAGE.replace("TITLE", html.escape(title)).replace("COUNTS", counts).replace("CARDS", "\n".join(cards))
    draft = out / f".{PAGE}"
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, out / PAGE)


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>TITLE</title><style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; background: #fafafa; color: #222 }
main { display: grid; gap: 1em; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)) }
section { background: #fff; border-radius: 8px; padding: 10px; border-top: 4px solid #bbb; overflow-wrap: anywhere }
section.done { border-color: #3a3 } section.failed { border-color: #c33 } section.running { border-color: #36c }
img, i { width: 100%; aspect-ratio: 1; object-fit: cover; background: #ddd; display: block; border-radius: 4px }
h2 { font-size: 1em; margin: .5em 0 0 } p { margin: .2em 0; color: #555 } a { font-size: .8em; margin-right: .4em }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } section { background: #222 }
p { color: #aaa } a { color: #8bf } i { background: #333 } }
</style><h1>TITLE</h1><p>COUNTS</p><main>
CARDS
</main></html>
"""
