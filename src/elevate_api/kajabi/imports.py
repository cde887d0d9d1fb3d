"""Deliveries from a file: old raw bodies as JSON lines, or a CSV of contact, email, tag, time (the manual's recovery).

A file is judged as a whole before anything is written. Taking it in twice changes nothing.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from elevate_api.kajabi import inbox
from elevate_api.kajabi.forecast import Forecast, Progress
from elevate_api.kajabi.payload import Delivery, NotJson, UnknownShape, read
from elevate_api.kajabi.repository import EventRepository
from elevate_api.kajabi.service import LearnTags
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.schemas import rfc3339

COLUMNS = ("contact", "email", "tag", "time")
MAX_FAULTS = 50
BATCH = 500


class ImportRejected(Exception):
    """The file cannot be taken in: `faults` are (line, what is wrong), at most 50 of them. Nothing was written."""

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {fault}" for line, fault in faults[:3]))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Entry:
    line: int
    body: bytes
    found: Delivery

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.body).digest()


@dataclass(slots=True)
class Outcome:
    """`known`: the same bytes were delivered before; they are not stored again."""

    known: int = 0
    points: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def read_file(path: Path) -> list[Entry]:
    """JSON lines where the first character is a brace, CSV otherwise. Raises ImportRejected, or OSError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRejected([(1, f"not UTF-8, at byte {error.start}")]) from error
    lines = _json_lines(text) if text.lstrip().startswith("{") else _csv_lines(text)
    entries, faults, now = [], [], utcnow()
    for line, body in lines:
        if isinstance(body, Exception):
            faults.append((line, str(body)))
            continue
        try:
            entries.append(Entry(line, body, read(body, now=now)))
        except (NotJson, UnknownShape) as error:
            faults.append((line, str(error)))
    if faults:
        raise ImportRejected(faults[:MAX_FAULTS])
    return entries


def _json_lines(text: str) -> Iterator[tuple[int, bytes | Exception]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip().encode()


def _csv_lines(text: str) -> Iterator[tuple[int, bytes | Exception]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in reader.fieldnames or []]
    if not {"tag"} < set(header) or not set(header) <= set(COLUMNS):
        yield 1, ValueError(f"the header must name columns of {', '.join(COLUMNS)}")
        return
    reader.fieldnames = header
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.reader.line_num, ValueError(str(error))
            return
        if row is None:
            return
        yield reader.line_num, _from_row(row)


def _from_row(row: Mapping[str | None, str | list[str] | None]) -> bytes | Exception:
    """The flat shape of a relay, the same bytes for the same row."""
    if None in row or None in row.values():
        return ValueError("another number of cells than the header has")
    cell = {name: str(row.get(name) or "").strip() for name in COLUMNS}
    if cell["time"] and not _is_instant(cell["time"]):
        return ValueError("time: must be a date and time with an offset, as in 2025-01-31T08:00:00Z")
    contact = {"id": cell["contact"] or None, "email": cell["email"] or None}
    document: dict[str, object] = {"event_type": "tag.added", "contact": contact, "tag": {"name": cell["tag"]}}
    if cell["time"]:
        document["created_at"] = cell["time"]
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(str(rfc3339(text))).tzinfo is not None
    except ValueError:
        return False


async def take_in(database: Database, entries: Sequence[Entry], learn_tags: LearnTags, progress: Progress) -> Outcome:
    """Store and process each entry, in the order of the file. An interruption loses nothing: run it again."""
    outcome = Outcome()
    for batch in _batches(entries):
        known = await _known(database, batch)
        for entry in batch:
            if entry.digest in known:
                outcome.known += 1
            else:
                known.add(entry.digest)
                receipt = await inbox.receive(database, entry.body, learn_tags)
                outcome.statuses[receipt.stored_as.value] += 1
                outcome.points += 0 if receipt.duplicate else receipt.points_awarded
            progress(1)
    return outcome


async def preview(database: Database, entries: Sequence[Entry], learn_tags: LearnTags, progress: Progress) -> Outcome:
    """What `take_in` would come to now. Reads only, takes no lock, and so is exact where nothing else happens."""
    outcome, forecast, seen = Outcome(), Forecast(learn_tags), set[bytes]()
    for batch in _batches(entries):
        known = await _known(database, batch)
        async with database.session() as session:
            for entry in batch:
                if entry.digest in known | seen:
                    outcome.known += 1
                else:
                    seen.add(entry.digest)
                    decision = await forecast.of(EventRepository(session), entry.found)
                    outcome.statuses[decision.status.value] += 1
                    outcome.points += decision.points or 0
                progress(1)
    return outcome


async def _known(database: Database, batch: Sequence[Entry]) -> set[bytes]:
    async with database.session() as session:
        return await EventRepository(session).known_bodies([entry.digest for entry in batch])


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        yield batch
