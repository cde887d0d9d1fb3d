"""Which backups stay: the newest of each of the last days and weeks (the manual: 7 daily, 4 weekly)."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from elevate_api.backups.manifest import Kind, Manifest, Style


def to_remove(backups: Sequence[Manifest], *, daily: int, weekly: int, zone: ZoneInfo) -> list[Manifest]:
    """What may go, given all backups.

    Restorable dumps: the newest of each of the last `daily` days and `weekly` weeks that have one, in `zone`; always
    the newest of all. Increments: the newest of each dump that stays, and all of the newest dump's. Other dumps
    (schema, data, plain) are kept by the same rule, each kind by itself.
    """
    keep: set[str] = set()
    for group in _groups(backups):
        keep |= {backup.id for backup in _kept(group, daily, weekly, zone)}
    keep |= _kept_increments(backups, keep)
    return [backup for backup in backups if backup.id not in keep]


def _groups(backups: Iterable[Manifest]) -> list[list[Manifest]]:
    groups: dict[Hashable, list[Manifest]] = {}
    for backup in backups:
        if backup.kind is not Kind.INCREMENT:
            groups.setdefault((backup.kind, backup.style is Style.PLAIN), []).append(backup)
    return [sorted(group, key=_time, reverse=True) for group in groups.values()]


def _kept(newest_first: Sequence[Manifest], daily: int, weekly: int, zone: ZoneInfo) -> list[Manifest]:
    by_day: dict[Hashable, Manifest] = {}
    by_week: dict[Hashable, Manifest] = {}
    for backup in newest_first:
        local = _time(backup).astimezone(zone)
        by_day.setdefault(local.date(), backup)
        by_week.setdefault(local.isocalendar()[:2], backup)
    return [newest_first[0], *list(by_day.values())[:daily], *list(by_week.values())[:weekly]]


def _kept_increments(backups: Sequence[Manifest], keep: set[str]) -> set[str]:
    """An increment holds everything since its dump, so an older dump needs only its last one."""
    dumps = [backup for backup in backups if backup.kind is Kind.FULL and backup.style is Style.CUSTOM]
    newest_dump = max(dumps, key=_time).id if dumps else None
    last: dict[str, Manifest] = {}
    kept = set()
    for backup in sorted(backups, key=_time):
        if backup.kind is Kind.INCREMENT and backup.base in keep and backup.base is not None:
            last[backup.base] = backup
            if backup.base == newest_dump:
                kept.add(backup.id)
    return kept | {backup.id for backup in last.values()}


def _time(backup: Manifest) -> datetime:
    return backup.snapshot.taken_at
