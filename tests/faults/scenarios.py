"""The faults. Each is injected under load, so many times; what was acknowledged is judged when it is over."""

# ruff: noqa: ASYNC110, B023 - other processes give no event to wait for; attempts end before the next turn of the loop

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg
import httpx
from tests.attachments.conftest import PDF, announcement
from tests.attachments.standin import StandIn
from tests.faults.clerk import ClerkStandIn
from tests.faults.judge import CRON_SECRET, judge, service_agrees
from tests.faults.load import Traffic
from tests.faults.proxy import Kind, some_fate
from tests.faults.world import BOUNDS, LAG_SECONDS, World, fill
from tests.support.frozen import frozen
from tests.support.payloads import payload_for

from elevate_api.kit.replica import LOOK_SECONDS
from elevate_api.postgres.testing import crash

BETWEEN = 6
"""Acknowledgements before each fault, so that every one hits traffic, however slow the machine."""
PLACES = {"database": 6_000, "client": 1_500}
"""Bytes within which a connection is hit: a few requests' worth."""
RECOVERY_LIMIT = 60.0


@dataclass
class Row:
    """A line of the table. `wrong` says what, `recovery` is the longest of the times until the next acknowledgement."""

    fault: str
    times: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    recovery: float | None = None
    note: str = ""


@dataclass
class Run:
    """One fault at work: the world, the traffic, and the line that is being written."""

    world: World
    traffic: Traffic
    row: Row

    async def recovered(self, since: float) -> None:
        """Until something that was written after `since` is acknowledged."""
        async with asyncio.timeout(RECOVERY_LIMIT):
            while self.traffic.journal.last <= since:
                await asyncio.sleep(0.005)
        self.row.recovery = max(self.row.recovery or 0.0, self.traffic.journal.last - since)

    async def busy(self) -> None:
        await self.traffic.journal.more(BETWEEN)


Fault = Callable[[Run, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`short` and `full`: how often the fault is injected in CI and by the script. `behind`: clients use the proxy."""

    title: str
    inject: Fault
    short: int
    full: int
    behind: bool = False
    world: str = "plain"
    """Which of `worlds` it happens in."""


async def run(world: World, scenario: Scenario, times: int) -> Row:
    """Inject `scenario` so many times under load, wait for the recovery, judge. The service is not started anew."""
    row = Row(scenario.title)
    world.runs += 1
    name = f"f{world.runs}"
    now = world.notes.get("now", time.time)
    traffic = Traffic(world.client_url if scenario.behind else world.service.url, name, now=now)
    traffic.start()
    work = Run(world, traffic, row)
    await work.busy()
    try:
        await scenario.inject(work, times)
        await work.busy()
    finally:
        world.database_proxy.heal()
        world.client_proxy.heal()
        await traffic.stop()
    verdict = await judge(world.owner, traffic.journal)
    row.acknowledged, row.lost = verdict.acknowledged, verdict.lost
    row.wrong.update(verdict.wrong)
    for fault in await service_agrees(world.service.url):
        row.wrong[fault] += 1
    journal = traffic.journal
    row.note = row.note or f"{journal.refused} answers 503, {journal.retried} broken off, all sent again"
    return row


async def kill_service(work: Run, times: int) -> None:
    for _ in range(times):
        await work.busy()
        await asyncio.to_thread(work.world.service.kill)
        since = time.monotonic()
        await asyncio.to_thread(work.world.service.start)
        work.row.times += 1
        await work.recovered(since)


async def kill_postgres(work: Run, times: int) -> None:
    for _ in range(times):
        await work.busy()
        crash(work.world.server)
        work.world.server.start()  # in the main thread: the server ends with the thread that starts it
        work.row.times += 1
        await work.recovered(time.monotonic())


async def freeze_postgres(work: Run, times: int) -> None:
    for _ in range(times):
        await work.busy()
        with frozen(work.world.server):
            await asyncio.sleep(float(BOUNDS["TRANSACTION_TIMEOUT"]) + 1)
        work.row.times += 1
        await work.recovered(time.monotonic())


def on_database(kind: Kind) -> Fault:
    async def inject(work: Run, times: int) -> None:
        proxy, chance = work.world.database_proxy, work.world.chance
        start = proxy.struck
        while proxy.struck < start + times:
            proxy.doom(some_fate(kind, chance, PLACES["database"]))
            struck = proxy.struck
            async with asyncio.timeout(RECOVERY_LIMIT):
                while proxy.struck < min(struck + 5, start + times):
                    await asyncio.sleep(0.01)
            proxy.heal()
            await work.recovered(time.monotonic())
        work.row.times = proxy.struck - start

    return inject


async def delay_database(work: Run, times: int) -> None:
    """Packets come late, by anything up to twice the time that a transaction has."""
    proxy, chance = work.world.database_proxy, work.world.chance
    longest = 2 * float(BOUNDS["TRANSACTION_TIMEOUT"])
    start = proxy.delayed
    proxy.delay = lambda: chance.random() * longest if chance.random() < 0.03 else 0.01 * chance.random()
    async with asyncio.timeout(10 * RECOVERY_LIMIT):
        while proxy.delayed < start + times:
            await asyncio.sleep(0.01)
    proxy.heal()
    work.row.times = proxy.delayed - start
    await work.recovered(time.monotonic())


async def lose_answers(work: Run, times: int) -> None:
    """The request arrives, the answer is cut somewhere: the client cannot know, and sends it again."""
    proxy, chance = work.world.client_proxy, work.world.chance
    start = proxy.struck
    proxy.doom(some_fate("cut", chance, PLACES["client"], "down"))
    async with asyncio.timeout(10 * RECOVERY_LIMIT):
        while proxy.struck < start + times:
            await asyncio.sleep(0.01)
    proxy.heal()
    work.row.times = proxy.struck - start
    await work.recovered(time.monotonic())


async def fill_disk(work: Run, times: int) -> None:
    """Nothing can be written any more; then somebody makes room. PostgreSQL is started if it gave up, as by systemd."""
    world = work.world
    for _ in range(times):
        await work.busy()
        refused = work.traffic.journal.refused
        ballast = await asyncio.to_thread(fill, world.notes["disk"])
        async with asyncio.timeout(RECOVERY_LIMIT):
            while work.traffic.journal.refused < refused + BETWEEN:
                await asyncio.sleep(0.01)
        ballast.unlink()
        if world.server.status().state != "ready":
            world.server.start()
            world.notes["ended"] = world.notes.get("ended", 0) + 1
        work.row.times += 1
        await work.recovered(time.monotonic())


JUMPS = (7200, -7200, 0, 86_400, -600, 0)
"""Seconds that the service's clock is off the database's, one after the other."""


async def jump_clock(work: Run, times: int) -> None:
    world = work.world
    for number in range(times):
        await work.busy()
        world.notes["offset"] = JUMPS[number % len(JUMPS)]
        world.notes["clock"].write_text(f"{world.notes['offset']:+d}")
        since = time.monotonic()
        work.row.times += 1
        await work.recovered(since)
        await work.busy()
    world.notes["offset"] = 0
    world.notes["clock"].write_text("+0")
    await work.recovered(time.monotonic())


async def kill_during_job(work: Run, times: int) -> None:
    """The process dies while it holds a job's lock; the next call runs the job, and the history says what happened."""
    world = work.world
    for _ in range(times):
        holder = await asyncpg.connect(**world.owner.driver_arguments())
        await holder.execute("BEGIN; LOCK TABLE analytics_refreshes IN ACCESS EXCLUSIVE MODE")
        call = asyncio.create_task(cron(world.service.url, "refresh-analytics"))
        running = "SELECT count(*) FROM job_runs WHERE name = 'refresh-analytics' AND finished_at IS NULL"
        async with asyncio.timeout(RECOVERY_LIMIT):
            while not await world.ask_owner(running):
                await asyncio.sleep(0.02)
        await asyncio.to_thread(world.service.kill)
        await asyncio.gather(call, return_exceptions=True)
        await holder.close()
        since = time.monotonic()
        await asyncio.to_thread(world.service.start)
        async with asyncio.timeout(RECOVERY_LIMIT):
            while (await cron(world.service.url, "refresh-analytics")) != httpx.codes.OK:
                await asyncio.sleep(0.05)
        work.row.recovery = max(work.row.recovery or 0.0, time.monotonic() - since)
        work.row.times += 1
        if await world.ask_owner(running):
            work.row.wrong["a run that nobody ends"] += 1


async def cron(url: str, job: str) -> int:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        headers = {"Authorization": f"Bearer {CRON_SECRET}"}
        return (await client.post(f"/api/cron/{job}", headers=headers)).status_code


async def lag_replica(work: Run, times: int) -> None:
    """The standby stops replaying. What it would be asked for must not miss what was acknowledged long before."""
    world, journal = work.world, work.traffic.journal
    for _ in range(times):
        await asyncio.to_thread(world.standby.psql, "SELECT pg_wal_replay_pause()")
        await work.busy()
        known = set(journal.submitted.values())
        await asyncio.sleep(LAG_SECONDS + LOOK_SECONDS + 1)
        async with httpx.AsyncClient(base_url=world.service.url, timeout=60) as client:
            answer = await client.get("/api/admin/exports/submissions.csv", headers=work.traffic.headers("admin"))
        missing = [one for one in known if one not in answer.text]
        if answer.status_code != httpx.codes.OK or missing:
            work.row.wrong["an export that misses what was acknowledged"] += 1
        await asyncio.to_thread(world.standby.psql, "SELECT pg_wal_replay_resume()")
        work.row.times += 1
    work.row.note = "exports were answered by the primary meanwhile"


async def take_storage_away(work: Run, times: int) -> None:
    """The store of evidence answers 500; the same calls work once it is back, and nothing is stored twice."""
    world = work.world
    stand_in: StandIn = world.notes["storage"]
    body = {"activityCode": "SHINE", "payload": payload_for("SHINE")}
    for number in range(times):
        who = f"{work.traffic.prefix}-evidence-{number}"
        made = await work.traffic.insist(lambda: work.traffic.ask("POST", "/api/submissions", who=who, json=body))
        path = f"/api/submissions/{made.json()['id']}/attachments"
        stand_in.down = True
        for _ in range(3):
            if await work.traffic.ask("POST", path, who=who, json=announcement(PDF)) is not None:
                work.row.wrong["an upload was promised without a store"] += 1
        stand_in.down = False
        since = time.monotonic()
        promised = await work.traffic.insist(lambda: work.traffic.ask("POST", path, who=who, json=announcement(PDF)))
        upload = promised.json()
        async with httpx.AsyncClient() as client:
            await client.request(upload["method"], upload["uploadUrl"], headers=upload["headers"], content=PDF)
        stand_in.down = True
        if await work.traffic.ask("POST", f"{path}/{upload['id']}/complete", who=who) is not None:
            work.row.wrong["a file was accepted that could not be read"] += 1
        stand_in.down = False
        done = await work.traffic.insist(lambda: work.traffic.ask("POST", f"{path}/{upload['id']}/complete", who=who))
        work.row.recovery = max(work.row.recovery or 0.0, time.monotonic() - since)
        found = await world.ask_owner(
            "SELECT count(*) FROM submission_attachments WHERE submission_id = $1::text::uuid", made.json()["id"]
        )
        if done.status_code != httpx.codes.OK or found != 1:
            work.row.wrong["evidence is not there once"] += 1
        work.row.times += 1


async def take_clerk_away(work: Run, times: int) -> None:
    """Neither keys nor people can be asked for. Who signs in with a known key works on; the start was tried."""
    clerk: ClerkStandIn = work.world.notes["clerk"]
    for _ in range(times):
        clerk.down = True
        await work.busy()
        await work.busy()
        clerk.down = False
        since = time.monotonic()
        work.row.times += 1
        await work.recovered(since)
    work.row.note = f"the keys could not be fetched at the start either: {work.world.notes['without_keys']}"


async def take_backups_away(work: Run, times: int) -> None:
    """The disk of the backups is full. The command fails, and works when there is room; what it made is whole."""
    world = work.world
    for _ in range(times):
        await work.busy()
        ballast = await asyncio.to_thread(fill, world.notes["backup_disk"])
        if await elevate(world, "backup", "create") == 0:
            work.row.wrong["a backup was made without room"] += 1
        ballast.unlink()
        since = time.monotonic()
        if await elevate(world, "backup", "create") != 0 or await elevate(world, "backup", "verify") != 0:
            work.row.wrong["no backup although there is room"] += 1
        work.row.recovery = max(work.row.recovery or 0.0, time.monotonic() - since)
        work.row.times += 1


async def elevate(world: World, *words: str) -> int:
    environment = {**world.service.environment, "BACKUP_DIR": str(world.notes["backup_disk"] / "backups")}
    command = [sys.executable, "-c", "from elevate_api.cli import main; main()", *words]
    with (world.folder / "commands.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        return await process.wait()


SCENARIOS = {
    "kill-api": Scenario("kill -9 of the API", kill_service, 1, 8),
    "kill-postgres": Scenario("kill -9 of PostgreSQL", kill_postgres, 2, 20),
    "freeze": Scenario("PostgreSQL frozen for longer than a transaction may take", freeze_postgres, 1, 5),
    "cut": Scenario("connection to PostgreSQL reset at a random byte", on_database("cut"), 12, 200),
    "truncate": Scenario("connection to PostgreSQL ended at a random byte", on_database("truncate"), 5, 200),
    "stall": Scenario("connection to PostgreSQL silent from a random byte on", on_database("stall"), 2, 30),
    "delay": Scenario("packets of PostgreSQL late, up to twice the limit", delay_database, 300, 2000),
    "answers": Scenario("answer to the client cut at a random byte", lose_answers, 12, 300, behind=True),
    "job": Scenario("kill -9 of the scheduler's process in the middle of a job", kill_during_job, 1, 3),
    "disk": Scenario("disk of PostgreSQL full", fill_disk, 1, 5, world="tiny"),
    "clock": Scenario("clock of the service off by minutes, hours, a day", jump_clock, 2, 12, world="clock"),
    "replica": Scenario("replica stops replaying", lag_replica, 1, 3, world="outside"),
    "storage": Scenario("store of evidence answers 500", take_storage_away, 2, 20, world="outside"),
    "clerk": Scenario("Clerk away: keys, people", take_clerk_away, 1, 10, world="outside"),
    "backups": Scenario("disk of the backups full", take_backups_away, 1, 3, world="outside"),
}
