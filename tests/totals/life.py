"""What can happen to the programme all at once: writers of every kind, folds at any moment, backends that die."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
from tests.support.payloads import payload_for
from tests.support.sql import Connection
from tests.support.sums import STAGES

Connect = Callable[[], Awaitable[Connection]]
PEOPLE = 25
STATUSES = ("PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "REVOKED")
# What may end a worker's transaction: it was killed, gave way in a deadlock or a race, or broke a rule of the tables.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver was in the middle of something when its backend was killed
    asyncpg.PostgresError,
    OSError,
)


class Enough(Exception):
    """A transaction that rolls back on purpose."""


@dataclass
class Life:
    """`run(seconds)` of it; `seed` makes the choices, not the timing, repeatable. `counts` says what was done.

    `over` ends it before its time.
    """

    connect: Connect
    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    number: int = 0
    over: bool = False

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - no secret

    async def prepare(self) -> None:
        line = await self.connect()
        await line.execute(
            "INSERT INTO users (id, handle, role) VALUES ('judge', 'judge', 'ADMIN') ON CONFLICT DO NOTHING"
        )
        for _ in range(PEOPLE):
            await self.add_person(line)
        await line.close()

    async def run(self, seconds: float, *, kill: bool = True) -> None:
        """Everybody at once until the time is over. Raises what is no loss of a connection or a rule of a table."""
        end = asyncio.get_running_loop().time() + seconds
        tasks = [self.points, self.points, self.long, self.long, self.people, self.evidence, self.evidence, self.grants,
                 self.folds, self.folds, self.folds_of_own, self.rebuilds]  # fmt: skip
        killer = [self._repeat(end, self.kills)] if kill else []
        await asyncio.gather(*(self._repeat(end, task) for task in tasks), *killer)

    async def _repeat(self, end: float, step: Callable[[Connection], Awaitable[None]]) -> None:
        line: Connection | None = None
        while not self.over and asyncio.get_running_loop().time() < end:
            try:
                if line is None or line.is_closed():
                    line = await self.connect()
                await step(line)
                self.counts[step.__name__] = self.counts.get(step.__name__, 0) + 1
            except Enough:
                self.counts["rolled back"] = self.counts.get("rolled back", 0) + 1
            except LOST as lost:
                if isinstance(lost, (asyncpg.DataError, asyncpg.SyntaxOrAccessError)):
                    raise
                name = type(lost).__name__
                self.counts[name] = self.counts.get(name, 0) + 1
                await asyncio.sleep(0.01)
        if line is not None:
            with suppress(*LOST):
                await line.close()

    # --- who writes ---

    async def points(self, line: Connection) -> None:
        for _ in range(self.dice.randrange(1, 4)):
            await self.add_points(line)
        await asyncio.sleep(self.dice.random() * 0.02)

    async def long(self, line: Connection) -> None:
        """A transaction that stays open over many folds, with parts of it rolled back, and sometimes all of it."""
        async with line.transaction():
            for _ in range(self.dice.randrange(1, 5)):
                with suppress(Enough):
                    async with line.transaction():
                        await self.add_points(line)
                        if self.dice.random() < 0.3:
                            raise Enough
                await asyncio.sleep(self.dice.random() * 0.3)
            if self.dice.random() < 0.3:
                raise Enough

    async def people(self, line: Connection) -> None:
        choice = self.dice.random()
        if choice < 0.15:
            await self.add_person(line)
        elif choice < 0.25:
            await line.execute("SELECT erase_user($1)", self.somebody())
        else:
            column, value = self.dice.choice(
                [("role", "REVIEWER"), ("role", "PARTICIPANT"), ("cohort", "A"), ("cohort", "B"), ("school", None),
                 ("school", "SMA 1"), ("show_on_leaderboard", False), ("show_on_leaderboard", True)]
            )  # fmt: skip
            await line.execute(f"UPDATE users SET {column} = $2 WHERE id = $1", self.somebody(), value)
        await asyncio.sleep(self.dice.random() * 0.02)

    async def evidence(self, line: Connection) -> None:
        async with line.transaction():
            await line.execute("SET LOCAL elevate.restore = 'on'")  # any state, any past
            for _ in range(self.dice.randrange(1, 4)):
                await (self.add_evidence if self.dice.random() < 0.5 else self.change_evidence)(line)
            if self.dice.random() < 0.1:
                raise Enough
        await asyncio.sleep(self.dice.random() * 0.02)

    async def grants(self, line: Connection) -> None:
        self.number += 1
        await line.execute(
            "INSERT INTO kajabi_events (body, body_sha256, user_id, contact_id, tag, status, points_awarded)"
            " VALUES ('', sha256($1), $2, $3, 'a', $4, 10)",
            str(self.number).encode(), self.somebody(), f"c{self.number}", self.dice.choice(["PROCESSED", "IGNORED"]),
        )  # fmt: skip
        await line.execute("UPDATE kajabi_events SET status = 'PROCESSED' WHERE status = 'IGNORED' AND user_id = $1",
                           self.somebody())  # fmt: skip
        await asyncio.sleep(self.dice.random() * 0.1)

    # --- who folds, and what goes wrong ---

    async def folds(self, line: Connection) -> None:
        await line.execute("SELECT fold_totals($1)", self.dice.random() < 0.3)
        await asyncio.sleep(self.dice.random() * 0.05)

    async def folds_of_own(self, line: Connection) -> None:
        """psql's way: write, fold, write more, fold perhaps once more, in one transaction."""
        async with line.transaction():
            await self.add_points(line)
            for _ in range(self.dice.randrange(1, 3)):
                await line.execute("SELECT fold_totals(true)")
                await self.add_points(line)
            if self.dice.random() < 0.3:
                raise Enough
        await asyncio.sleep(self.dice.random() * 0.2)

    async def rebuilds(self, line: Connection) -> None:
        await asyncio.sleep(self.dice.random() * 1.5)
        async with line.transaction():
            if self.dice.random() < 0.3:
                await self.add_points(line)
            await line.execute("SELECT rebuild_totals('again')")
            if self.dice.random() < 0.3:
                await self.add_points(line)

    async def kills(self, line: Connection) -> None:
        """Somebody's backend, wherever it is; a fold or a rebuild where there is one."""
        await asyncio.sleep(self.dice.random() * 0.4)
        await line.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
            " AND usename = current_user"
            " ORDER BY query LIKE '%fold_totals%' OR query LIKE '%rebuild_totals%' DESC, random() LIMIT 1"
        )

    # --- rows ---

    def somebody(self) -> str:
        return f"user_{self.dice.randrange(PEOPLE)}"

    def past(self) -> timedelta:
        """Mostly now; else anywhere in the last 100 days, or about to leave the window of 720 hours."""
        choice = self.dice.random()
        if choice < 0.5:
            return timedelta(0)
        if choice < 0.8:
            return timedelta(hours=720) - timedelta(seconds=self.dice.random() * 6)
        return timedelta(days=self.dice.random() * 100)

    async def add_person(self, line: Connection) -> None:
        number = self.number
        self.number += 1
        await line.execute(
            "INSERT INTO users (id, handle, cohort, school) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            f"user_{number}", f"user-{number}", self.dice.choice([None, "A", "B"]), self.dice.choice([None, "SMA 1"]),
        )  # fmt: skip

    async def add_points(self, line: Connection) -> None:
        points = self.dice.choice([-50, -20, -2, 1, 2, 10, 20, 20, 50])
        await line.execute(
            "INSERT INTO points_ledger (user_id, activity_code, source, delta_points, created_at)"
            " VALUES ($1, $2, 'MANUAL', $3, clock_timestamp() - $4::interval)",
            self.somebody(), self.dice.choice(STAGES), points, self.past(),
        )  # fmt: skip

    async def add_evidence(self, line: Connection) -> None:
        stage, status, made = self.dice.choice(STAGES), self.dice.choice(STATUSES), self.past()
        payload: dict[str, Any] = {"peersTrained": self.dice.randrange(1, 9)} if stage == "AMPLIFY" else {}
        decided = status in {"APPROVED", "REJECTED", "REVOKED"}
        await line.execute(
            "INSERT INTO submissions (user_id, activity_code, status, payload, created_at, reviewer_id, reviewed_at,"
            " review_note, revoked_by, revoked_at, revoke_reason) VALUES ($1, $2, $3, $4, now() - $5::interval,"
            " 'judge',"
            " CASE WHEN $6 THEN now() - $5::interval * $7::float8 END, 'x', 'judge', now(), 'x')",
            self.somebody(), stage, status, json.dumps(payload_for(stage, **payload)), made, decided,
            self.dice.random(),
        )  # fmt: skip

    async def change_evidence(self, line: Connection) -> None:
        status = self.dice.choice(STATUSES)
        await line.execute(
            "UPDATE submissions SET status = $1,"
            " reviewed_at = CASE WHEN $1 IN ('APPROVED', 'REJECTED', 'REVOKED') THEN coalesce(reviewed_at, now()) END"
            " WHERE id = (SELECT id FROM submissions ORDER BY random() LIMIT 1)",
            status,
        )
