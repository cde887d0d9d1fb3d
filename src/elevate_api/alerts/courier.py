"""Delivering notices: from the database, each by one process, with retries; from memory while there is no database."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from elevate_api.alerts import store
from elevate_api.alerts.channels import Channel, NotDelivered
from elevate_api.alerts.messages import Message
from elevate_api.alerts.metrics import NOTICES
from elevate_api.kit.aside import aside
from elevate_api.kit.db import Address

LEASE = timedelta(seconds=60)
"""How long a claimed notice is one process's; longer than the slowest delivery. Who dies with it delays it so long."""
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(minutes=30)
ATTEMPTS = 12
"""Then it is given up: by that time some two hours have passed and the notice is stale news."""
BATCH = 20
DATABASE_SECONDS = 5.0

log = structlog.get_logger(__name__)


def wait_after(attempts: int) -> timedelta | None:
    """Pause after a failed attempt, doubled each time; None when there is to be no further one."""
    if attempts >= ATTEMPTS:
        return None
    return min(LONGEST_RETRY, FIRST_RETRY * (1 << (attempts - 1)))


@dataclass(slots=True)
class Kept:
    """A notice that no database could take."""

    channel: str
    message: Message
    attempts: int = 0
    due: float = field(default_factory=time.monotonic)


class Courier:
    """One a process. `run` goes on until nothing is due; delivering never makes an evaluation wait."""

    def __init__(self, address: Address, channels: Mapping[str, Channel]) -> None:
        self.channels = channels
        self._address = address
        self._kept: list[Kept] = []

    def keep(self, message: Message) -> None:
        """Take a notice of the time when the database cannot be used."""
        self._kept += [Kept(channel, message) for channel in self.channels]

    async def run(self) -> None:
        """Deliver what is due, from memory and from the database. A database that is gone is no error here."""
        await self.deliver_kept()
        if not self.channels:
            return
        try:
            while await self._deliver_batch():
                pass
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("alert_notices_not_read", error=type(error).__name__)

    async def deliver_kept(self) -> None:
        now = time.monotonic()
        due = [kept for kept in self._kept if kept.due <= now]
        await asyncio.gather(*(self._deliver_from_memory(kept) for kept in due))

    async def _deliver_from_memory(self, kept: Kept) -> None:
        kept.attempts += 1
        error = await self.send(kept.channel, kept.message)
        pause = wait_after(kept.attempts)
        if error is None or pause is None:
            self._kept.remove(kept)
        else:
            kept.due = time.monotonic() + pause.total_seconds()

    async def _deliver_batch(self) -> bool:
        async def claim(line: Any) -> list[Any]:
            await store.prepare(line)
            return list(await store.claim(line, LEASE, BATCH)) if await store.is_ready(line) else []

        claimed = await aside(self._address, "elevate-notices", claim, seconds=DATABASE_SECONDS)
        await asyncio.gather(*(self._deliver(row) for row in claimed))
        return bool(claimed)

    async def _deliver(self, row: Any) -> None:
        error = await self.send(row["channel"], row["message"])
        await self._settle(row["id"], error, wait_after(row["attempts"]))

    async def _settle(self, notice: UUID, error: str | None, again_in: timedelta | None) -> None:
        async def settle(line: Any) -> None:
            await store.settle(line, notice, error=error, again_in=again_in)

        await aside(self._address, "elevate-notices", settle, seconds=DATABASE_SECONDS)

    async def send(self, channel: str, message: Message) -> str | None:
        """What went wrong, None when the notice is delivered. A channel that is no longer set up fails."""
        try:
            await self.channels.get(channel, _Gone()).send(message)
        except NotDelivered as error:
            NOTICES.labels(channel, "failed").inc()
            log.warning("alert_notice_not_delivered", channel=channel, rule=message["rule"], reason=str(error))
            return str(error)
        NOTICES.labels(channel, "delivered").inc()
        return None


class _Gone:
    """Stands for a channel that somebody took out of the settings with notices still waiting."""

    async def send(self, message: Message) -> None:
        raise NotDelivered(f"the channel is not set up any more, so {message['rule']} is not told")
