"""Deliveries from a file: old raw bodies as JSON lines, or a CSV of contact, email, tag, time (the manual's recovery).

A file is judged as a whole before anything is written. Taking it in twice changes nothing.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from elevate_api.kajabi import inbox
from elevate_api.kajabi.payload import Delivery, NotJson, UnknownShape, read
from elevate_api.kajabi.repository import EventRepository
from elevate_api.kajabi.rules import Decision, Standing, Status, decide, without_standing
from elevate_api.kajabi.service import LearnTags
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database
from elevate_api.kit.schemas import rfc3339

COLUMNS = ("contact", "email", "tag", "time")
MAX_FAULTS = 50
BATCH = 500
Progress = Callable[[int], None]


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
            yield reader.line_num, ValueError(str(error))
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


class Forecast:
    """Decisions without writing: remembers what the ones before would have granted."""

    def __init__(self, learn_tags: LearnTags) -> None:
        self._learn_tags = learn_tags
        self._points: Counter[str] = Counter()
        self._granted: set[tuple[str, str]] = set()
        self._contacts: dict[str, str] = {}

    async def of(self, events: EventRepository, found: Delivery) -> Decision:
        early = without_standing(found.kind, found.tag, self._learn_tags)
        if early is not None or found.tag is None:
            return early or Decision(Status.IGNORED)
        chosen = self._contacts.get(found.contact_id or "")
        standing = await events.standing(found.contact_id, found.email, found.tag, chosen=chosen, locking=False)
        if standing is None or standing.person_id is None:
            return decide(self._learn_tags[found.tag], standing)
        return self._decide(standing, standing.person_id, found, found.tag)

    def _decide(self, standing: Standing, person: str, found: Delivery, tag: str) -> Decision:
        if (person, tag) in self._granted or (standing.grant_contact or "", tag) in self._granted:
            return Decision(Status.DUPLICATE)
        now = replace(standing, awarded=standing.awarded + self._points[person])
        decision = decide(self._learn_tags[tag], now)
        if decision.status is Status.PROCESSED:
            self._granted |= {(person, tag), (standing.grant_contact or "", tag)}
            self._points[person] += (decision.points or 0) if decision.append else 0
            if found.contact_id is not None and standing.bound_contact is None:
                self._contacts.setdefault(found.contact_id, person)
        return decision


async def _known(database: Database, batch: Sequence[Entry]) -> set[bytes]:
    async with database.session() as session:
        return await EventRepository(session).known_bodies([entry.digest for entry in batch])


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        yield batch
