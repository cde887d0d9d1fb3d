"""A round of evaluation: look, judge, remember, and have somebody told. One process at a time, whoever is first."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy.pool import QueuePool

from elevate_api.alerts import channels, rules, store
from elevate_api.alerts.courier import Courier
from elevate_api.alerts.evaluate import Kind, Notice, Observation, State, evaluate, is_due
from elevate_api.alerts.messages import message_of
from elevate_api.alerts.observe import Source, Surroundings, observe
from elevate_api.alerts.rules import Name, Rule, Severity
from elevate_api.alerts.speaker import Speaker
from elevate_api.config import Settings
from elevate_api.kit.aside import aside
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database

ROUND_SECONDS = 10.0
CONNECT_SECONDS = 5.0
PURGE_EVERY = timedelta(hours=1)
_LIMITS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'"
_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_UNREMEMBERED = frozenset({Name.DATABASE_CONNECTION_FAILURE, Name.MIGRATION_FAILURE})
"""What can be judged without the tables of alerts."""
_Seen = dict[Name, Observation | None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """`evaluated` is false where another process was at it, or had just been."""

    evaluated: bool
    states: Mapping[Rule, State]
    notices: Sequence[Notice] = ()


class AlertMonitor:
    """One a process. `pending_migrations` and `sources` come from packages above this one; see `Surroundings`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        pending_migrations: Callable[[str | None], int],
        sources: Mapping[Name, Source] | None = None,
    ) -> None:
        self.rules = rules.build(settings.alerts)
        self.courier = Courier(database.address, channels.build(settings.notices))
        self._settings = settings
        self._database = database
        self._pending = pending_migrations
        self._sources = sources or {}
        self._process = uuid4()
        self._speaker = Speaker(database.address)
        self._known: dict[Name, State] = {}
        self._unwritten: dict[Name, State] = {}
        self._silenced: frozenset[str | None] = frozenset()
        self._purged_at: datetime | None = None
        self._delivering: asyncio.Task[None] | None = None

    async def round(self, now: datetime | None = None, *, force: bool = False) -> Round:
        """Evaluate every rule as of `now`, then deliver in the background.

        Without `force` a round is left out when another one, anywhere, is less than half an interval old.
        """
        now = now or utcnow()
        try:
            done = await self._with_database(now, force=force)
        except _TROUBLE as error:
            log.warning("alerts_without_database", error=type(error).__name__)
            seen = Observation(True, "no connection, or no answer", {"error": type(error).__name__})
            done = self._in_memory({Name.DATABASE_CONNECTION_FAILURE: seen}, now)
        self._deliver()
        return done

    async def settled(self) -> None:
        """Wait for the deliveries that the last round began."""
        if self._delivering is not None:
            await self._delivering

    async def close(self) -> None:
        if self._delivering is not None:
            self._delivering.cancel()
            await asyncio.gather(self._delivering, return_exceptions=True)
        self._speaker.step_down()

    def _deliver(self) -> None:
        if self._delivering is None or self._delivering.done():
            self._delivering = asyncio.create_task(self.courier.run())

    async def _with_database(self, now: datetime, *, force: bool) -> Round:
        async def work(line: Any) -> Round | _Seen:
            await store.prepare(line)
            async with line.transaction():
                await line.execute(_LIMITS)
                if not await store.is_ready(line):
                    return await self._look(line, [rule for rule in self.rules if rule.name in _UNREMEMBERED], now)
                return await self._evaluate(line, now, force=force)

        found = await aside(
            self._database.address, "elevate-alerts", work, seconds=ROUND_SECONDS, connect_seconds=CONNECT_SECONDS
        )
        if not isinstance(found, Round):
            return self._in_memory(found, now)
        if found.evaluated:  # and committed
            self._unwritten.clear()
            self._speaker.step_down()
            self._log(found.notices)
        self._known = {rule.name: state for rule, state in found.states.items()}
        return found

    async def _evaluate(self, line: Any, now: datetime, *, force: bool) -> Round:
        await store.sample(line, self._process, *pool_figures(self._database), now)
        mine = await store.take_turn(line)
        known = await store.load(line)
        if not mine or self._is_too_soon(known, now, force=force):
            return Round(False, {rule: known.get(rule.name, State()) for rule in self.rules})
        due = [rule for rule in self.rules if is_due(rule, known.get(rule.name, State()), now)]
        seen = await self._look(line, due, now)
        # Locked only now, so that an acknowledgement does not wait for all that looking.
        before = {**await store.load(line, lock=True), **self._unwritten}
        self._silenced = await store.silenced(line, now)
        judged = self._judge(self.rules, before, seen, now)
        await store.save(line, {rule: state for rule, state in judged.states.items() if _is_news(rule, before, state)})
        await store.add_notices(line, self._messages(judged.notices))
        if self._purged_at is None or now - self._purged_at >= PURGE_EVERY:
            await store.purge(line, now)
            self._purged_at = now
        return judged

    async def _look(self, line: Any, due: Sequence[Rule], now: datetime) -> _Seen:
        around = Surroundings(
            now=now,
            settings=self._settings.alerts,
            stale_seconds=self._settings.scheduler.stale_seconds,
            zone=self._settings.app.zone,
            pending_migrations=self._pending,
            sources=self._sources,
        )
        return {rule.name: await observe(line, rule.name, around) for rule in due}

    def _judge(self, among: Sequence[Rule], before: Mapping[Name, State], seen: _Seen, now: datetime) -> Round:
        states: dict[Rule, State] = {}
        notices: list[Notice] = []
        reminder = timedelta(seconds=self._settings.alerts.reminder)
        for rule in among:
            states[rule], told = evaluate(
                rule,
                before.get(rule.name, State()),
                seen.get(rule.name),
                now,
                reminder=reminder,
                silenced=None in self._silenced or rule.name in self._silenced,
            )
            notices += told
        return Round(True, states, notices)

    def _is_too_soon(self, known: Mapping[Name, State], now: datetime, *, force: bool) -> bool:
        last = known.get(Name.DATABASE_CONNECTION_FAILURE, State()).looked_at
        if force or self._unwritten or last is None:
            return False
        return timedelta(0) <= now - last < timedelta(seconds=self._settings.alerts.interval / 2)

    def _in_memory(self, seen: _Seen, now: datetime) -> Round:
        """Judge without the database; only one process of a machine does."""
        if not self._speaker.is_me():
            return Round(False, {})
        among = [rule for rule in self.rules if rule.name in seen]
        judged = self._judge(among, {**self._known, **self._unwritten}, seen, now)
        self._unwritten |= {rule.name: state for rule, state in judged.states.items()}
        self._log(judged.notices)
        for notice in judged.notices:
            self.courier.keep(message_of(notice, self._environment))
        return judged

    @property
    def _environment(self) -> str:
        return self._settings.app.environment.value

    def _messages(self, notices: Sequence[Notice]) -> list[tuple[Notice, str, dict[str, Any]]]:
        return [
            (notice, channel, message_of(notice, self._environment))
            for notice in notices
            for channel in self.courier.channels
        ]

    def _log(self, notices: Sequence[Notice]) -> None:
        """The log is a channel, too: the one that is always there."""
        for notice in notices:
            critical = notice.rule.severity is Severity.CRITICAL
            write = log.info if notice.kind is Kind.RESOLVED else log.error if critical else log.warning
            write(f"alert_{notice.kind}", rule=notice.rule.name.value, severity=notice.rule.severity.value,
                  summary=notice.state.summary, evidence=dict(notice.state.evidence))  # fmt: skip


def pool_figures(database: Database) -> tuple[int, int]:
    """(size, in use) of this process's pool; zeros where there is none."""
    pool = database.engine.pool
    return (pool.size(), pool.checkedout()) if isinstance(pool, QueuePool) else (0, 0)


def _is_news(rule: Rule, before: Mapping[Name, State], state: State) -> bool:
    """Whether the state must be written; when a rule was looked at matters only where that is rationed."""
    known = before.get(rule.name)
    if known is None or rule.every or rule.name is Name.DATABASE_CONNECTION_FAILURE:
        return known != state
    return replace(known, looked_at=None) != replace(state, looked_at=None)
