"""Alerts in the database, through the evaluator's own connection: plain SQL, no session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from elevate_api.alerts.evaluate import Notice, State, Status
from elevate_api.alerts.rules import Name, Rule

EVENTS_KEPT = timedelta(days=30)
SAMPLES_KEPT = timedelta(hours=1)

_COLUMNS = tuple(field.name for field in fields(State))


async def prepare(line: Any) -> None:
    """JSON as objects, on this connection."""
    await line.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: to_json(value).decode(), decoder=from_json
    )


async def take_turn(line: Any) -> bool:
    """Whether this evaluation is the only one anywhere, until its transaction ends."""
    return bool(await line.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended('elevate:alerts', 0))"))


async def is_ready(line: Any) -> bool:
    """Whether the tables are there; before migration 0004 nothing can be remembered."""
    return bool(await line.fetchval("SELECT to_regclass('public.alert_notices') IS NOT NULL"))


async def load(line: Any, *, lock: bool = False) -> dict[Name, State]:
    """Every alert's state. `lock`: against acknowledgements, until the transaction ends."""
    rows = await line.fetch("SELECT * FROM alerts ORDER BY rule" + (" FOR UPDATE" if lock else ""))
    known = {name.value for name in Name}
    return {Name(row["rule"]): _state(row) for row in rows if row["rule"] in known}


def _state(row: Any) -> State:
    values = {name: row[name] for name in _COLUMNS}
    return State(**{**values, "status": Status(values["status"])})


async def save(line: Any, states: Mapping[Rule, State]) -> None:
    rows = [
        (rule.name.value, rule.severity.value, rule.title, *(getattr(state, name) for name in _COLUMNS))
        for rule, state in states.items()
    ]
    await line.executemany(_SAVE, rows)


async def add_notices(line: Any, messages: Iterable[tuple[Notice, str, Mapping[str, Any]]]) -> None:
    """`messages`: notice, channel, what is to be sent."""
    rows = [(notice.rule.name.value, channel, dict(message)) for notice, channel, message in messages]
    await line.executemany(
        "INSERT INTO alert_notices (alert_id, channel, message) SELECT id, $2, $3 FROM alerts WHERE rule = $1", rows
    )


async def silenced(line: Any, now: datetime) -> frozenset[str | None]:
    """Names of the silenced rules; None stands for all of them."""
    rows = await line.fetch("SELECT rule FROM alert_silences WHERE starts_at <= $1 AND ends_at > $1", now)
    return frozenset(row["rule"] for row in rows)


async def sample(line: Any, process: UUID, size: int, in_use: int, now: datetime) -> None:
    await line.execute(_SAMPLE, process, size, in_use, now)


async def purge(line: Any, now: datetime) -> None:
    await line.execute("DELETE FROM alert_samples WHERE sampled_at < $1", now - SAMPLES_KEPT)
    await line.execute("DELETE FROM alert_events WHERE counted AND created_at < $1", now - EVENTS_KEPT)
    await line.execute(
        "DELETE FROM alert_notices WHERE created_at < $1 AND (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)",
        now - EVENTS_KEPT,
    )


async def claim(line: Any, lease: timedelta, limit: int) -> Sequence[Any]:
    """Take due notices for `lease`: nobody else is handed them meanwhile. Of a rule and channel, one at a time."""
    return list(await line.fetch(_CLAIM, lease, limit))


async def settle(line: Any, notice_id: UUID, *, error: str | None, again_in: timedelta | None) -> None:
    """Delivered without `error`; else due again, or given up where `again_in` is None."""
    await line.execute(_SETTLE, notice_id, error, again_in)


_INSERTED = ("rule", "severity", "title", *_COLUMNS)
_PLACES = ", ".join(f"${number}" for number in range(1, len(_INSERTED) + 1))
_SAVE = f"""
INSERT INTO alerts ({", ".join(_INSERTED)}) VALUES ({_PLACES})
ON CONFLICT (rule) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _INSERTED[1:])}
"""

_SAMPLE = """
INSERT INTO alert_samples (process, pool_size, pool_in_use, sampled_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (process) DO UPDATE SET pool_size = excluded.pool_size, pool_in_use = excluded.pool_in_use,
  sampled_at = excluded.sampled_at
"""

_CLAIM = """
UPDATE alert_notices SET next_attempt_at = clock_timestamp() + $1, attempts = attempts + 1
WHERE id IN (
  SELECT n.id FROM alert_notices n
  WHERE n.delivered_at IS NULL AND n.given_up_at IS NULL AND n.next_attempt_at <= clock_timestamp()
    AND NOT EXISTS (
      SELECT FROM alert_notices e WHERE e.alert_id = n.alert_id AND e.channel = n.channel AND e.id < n.id
        AND e.delivered_at IS NULL AND e.given_up_at IS NULL)
  ORDER BY n.id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, channel, message, attempts
"""

_SETTLE = """
UPDATE alert_notices SET error = $2,
  delivered_at = CASE WHEN $2::text IS NULL THEN clock_timestamp() END,
  given_up_at = CASE WHEN $2::text IS NOT NULL AND $3::interval IS NULL THEN clock_timestamp() END,
  next_attempt_at = CASE WHEN $2::text IS NOT NULL AND $3::interval IS NOT NULL
                         THEN clock_timestamp() + $3 ELSE next_attempt_at END
WHERE id = $1
"""
