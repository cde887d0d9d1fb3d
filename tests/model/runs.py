"""Worlds to play in, long plays, and the shortest play that still fails."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg
import httpx
from tests.model.moves import Chooser, written
from tests.model.player import CLERK_SECRET, CRON_SECRET, KAJABI_TOKEN, Disagreement, Player
from tests.model.programme import Step
from tests.support import tokens
from tests.support.cluster import OWNER, SEEDED, SERVICE, SUPERUSER, Administrator
from tests.support.sql import Connection

from elevate_api.app import create_app
from elevate_api.config import (
    AppSettings,
    ClerkSettings,
    DatabaseSettings,
    KajabiSettings,
    MachineSettings,
    MemorySettings,
    RateLimitSettings,
    SchedulerSettings,
    Settings,
)
from elevate_api.kit.db import Address, Database

Prepare = Callable[[Connection], Coroutine[Any, Any, None]]
LIMITED = ("RATE_LIMIT_ANONYMOUS", "RATE_LIMIT_READS", "RATE_LIMIT_WRITES")
SEED = int(os.environ.get("MODEL_SEED", "0")) or int(time.time())
"""`MODEL_SEED=...` repeats a run."""


def settings_of(administrator: Administrator, name: str) -> Settings:
    cluster = administrator.cluster
    urls = {"DATABASE_URL": cluster.dsn(name, SERVICE), "DIRECT_URL": cluster.dsn(name, OWNER)}
    clerk = {
        "CLERK_ISSUER": tokens.ISSUER, "CLERK_JWT_KEY": tokens.public_pem(), "CLERK_WEBHOOK_SECRET": CLERK_SECRET,
    }  # fmt: skip
    return Settings(
        app=AppSettings.model_validate({"ENVIRONMENT": "test", "PROGRAM_TIMEZONE": "Asia/Jakarta"}),
        database=DatabaseSettings.model_validate(urls),
        clerk=ClerkSettings.model_validate(clerk),
        kajabi=KajabiSettings.model_validate({"KAJABI_WEBHOOK_TOKENS": KAJABI_TOKEN}),
        machines=MachineSettings.model_validate({"CRON_SECRET": CRON_SECRET}),
        scheduler=SchedulerSettings.model_validate({"SCHEDULER_ENABLED": False}),
        # The board is compared right after a refresh; from memory it may be half a second older.
        memory=MemorySettings.model_validate({"PUBLIC_MEMORY_MB": 0}),
        rate_limits=RateLimitSettings.model_validate(dict.fromkeys(LIMITED, "1000000/minute")),
    )


@asynccontextmanager
async def world(administrator: Administrator, prepare: Prepare | None = None) -> AsyncIterator[Player]:
    """A committed database of its own, the whole service on it, the first staff. `prepare` may break a rule first."""
    name = administrator.clone(SEEDED)
    superuser = await asyncpg.connect(administrator.cluster.dsn(name, SUPERUSER))
    try:
        if prepare is not None:
            await prepare(superuser)
        database = Database(Address.parse(administrator.cluster.dsn(name, SERVICE)), pool_size=12)
        app = create_app(settings_of(administrator, name), database)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                player = Player(client, database, superuser)
                await player.begin()
                yield player
    finally:
        await superuser.close()
        administrator.drop(name)


Batch = list[Step]


async def play(player: Player, batches: list[Batch]) -> None:
    """One step at a time, or several at once. Raises Disagreement."""
    for batch in batches:
        if len(batch) == 1:
            await player.take(batch[0])
        else:
            await player.take_together(batch)


async def play_random(player: Player, random: Random, steps: int, *, width: int = 1) -> list[Batch]:
    """Draw and play; answers what was played. Raises Disagreement with it as `batches`."""
    chooser, played, taken = Chooser(random, lambda: player.programme), [], 0
    while taken < steps:
        size = random.randint(2, width) if width > 1 and random.random() < 0.6 else 1
        batch = [chooser.step(together=size > 1) for _ in range(size)]
        played.append(batch)
        taken += size
        try:
            await play(player, [batch])
        except Disagreement as fault:
            raise Failed(fault, played) from fault
    return played


class Failed(AssertionError):
    def __init__(self, fault: Disagreement, batches: list[Batch]) -> None:
        super().__init__(str(fault))
        self.fault, self.batches = fault, batches


async def shortest(
    administrator: Administrator, batches: list[Batch], kind: str, prepare: Prepare | None, seconds: float
) -> list[Batch]:
    """Leave out what can be left out while the play still fails alike; each try has a database of its own.

    The shortest end of it that fails, to a power of two; then without all steps of a kind, without all of and about
    a person, without halves, quarters, single ones.
    """
    deadline, found = time.monotonic() + seconds, batches
    for power in range(len(batches).bit_length()):
        if await _fails(administrator, batches[-(1 << power) :], kind, prepare):
            found = batches[-(1 << power) :]
            break
    kinds = Counter(step.kind for batch in found for step in batch)
    people = Counter(person for batch in found for step in batch for person in _involved(step))
    groups: list[Callable[[Step], bool]] = [
        *(lambda step, name=name: step.kind == name for name, _ in kinds.most_common()),
        *(lambda step, name=name: name in _involved(step) for name, _ in people.most_common()),
    ]
    for group in groups:
        less = [kept for batch in found if (kept := [step for step in batch if not group(step)])]
        if less and less != found and time.monotonic() < deadline and await _fails(administrator, less, kind, prepare):
            found = less
    size = len(found) // 2
    while size >= 1:
        start = 0
        while start < len(found) and time.monotonic() < deadline:
            less = found[:start] + found[start + size :]
            if less and await _fails(administrator, less, kind, prepare):
                found = less
            else:
                start += size
        size //= 2
    return found


def _involved(step: Step) -> set[str]:
    return {step.actor, str(step.args.get("person", ""))} - {""}


async def _fails(administrator: Administrator, batches: list[Batch], kind: str, prepare: Prepare | None) -> bool:
    async with world(administrator, prepare) as player:
        try:
            await play(player, batches)
        except Disagreement as fault:
            return fault.kind == kind
        return False


def report(seed: str, fault: AssertionError, batches: list[Batch]) -> str:
    steps = [step for batch in batches for step in batch]
    at_once = [[step.label for step in batch] for batch in batches if len(batch) > 1]
    return f"{fault}\n\nseed {seed}; {len(steps)} steps still fail (at once: {at_once}):\n{written(steps)}"


async def episode(
    administrator: Administrator, seed: str, steps: int, *, width: int = 1, prepare: Prepare | None = None,
    shrink_seconds: float = 90,
) -> Counter[str]:  # fmt: skip
    """Play `steps` random steps in a world of their own. AssertionError with the shortest play that fails."""
    async with world(administrator, prepare) as player:
        try:
            await play_random(player, Random(seed), steps, width=width)  # noqa: S311 - a game
        except Failed as failed:
            fault, batches = failed.fault, failed.batches
        else:
            return player.counts
    if shrink_seconds:
        batches = await shortest(administrator, batches, fault.kind, prepare, shrink_seconds)
    raise AssertionError(report(seed, fault, batches)) from None


def run(work: Coroutine[Any, Any, Counter[str]]) -> Counter[str]:
    return asyncio.run(work)
