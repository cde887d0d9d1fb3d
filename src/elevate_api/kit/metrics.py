"""Counting for Prometheus, right with one process and with several.

`elevate serve --workers N` sets PROMETHEUS_MULTIPROC_DIR before anything is counted; the library then keeps its
numbers in files there, which whichever process is scraped adds up. Packages declare their metrics as constants of a
`metrics.py`, on REGISTRY, named `leaps_...` with a unit (`_seconds`) and `_total` for counters.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported; a process that finds it set counts into files of that folder."""
REGISTRY = CollectorRegistry()
"""Ours and not the library's default: nothing appears here but what a package of ours put there."""

Note = tuple[SessionTransaction | None, Callable[[], None]]
_NOTES = "kit.metrics"


def expose(extra: Iterable[Collector] = ()) -> bytes:
    """The text of /metrics: what every process counted, and what `extra` collectors say now."""
    counted, now = REGISTRY, CollectorRegistry()
    folder = os.environ.get(MULTIPROCESS)
    if folder is not None:
        _forget_dead_processes(Path(folder))
        counted = CollectorRegistry()
        MultiProcessCollector(counted, folder)  # type: ignore[no-untyped-call]  # the library's
    for collector in extra:
        now.register(collector)
    return generate_latest(counted) + generate_latest(now)


def after_commit(session: AsyncSession, count: Callable[[], None]) -> None:
    """Call `count` once the transaction is committed; not at all when it, or the savepoint of now, is rolled back."""
    sync = session.sync_session
    notes: list[Note] | None = sync.info.get(_NOTES)
    if notes is None:
        notes = sync.info[_NOTES] = []
        event.listen(sync, "after_commit", _count)
        event.listen(sync, "after_soft_rollback", _drop)
    notes.append((sync.get_nested_transaction() or sync.get_transaction(), count))


def _count(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint was released; the transaction may still fail
        return
    notes: list[Note] = session.info[_NOTES]
    while notes:
        notes.pop()[1]()


def _drop(session: Session, ended: SessionTransaction) -> None:
    notes: list[Note] = session.info[_NOTES]
    notes[:] = [note for note in notes if not _within(note[0], ended)]


def _within(made_in: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while made_in is not None and made_in is not ended:
        made_in = made_in.parent
    return made_in is ended


def _forget_dead_processes(folder: Path) -> None:
    """A process that was killed cannot withdraw its gauges; what it counted stays."""
    pids = {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*_*.db")}
    for pid in pids:
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]  # the library's
