"""States of each process, written down every few seconds: whichever is scraped tells of all of them."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from prometheus_client import Gauge

from elevate_api.alerts.monitor import pool_figures
from elevate_api.kit.db import Database
from elevate_api.kit.metrics import REGISTRY

SAMPLE_SECONDS = 2.0

POOL_SIZE = Gauge(
    "leaps_pool_size", "Connections that the pools may have.", multiprocess_mode="livesum", registry=REGISTRY
)
POOL_IN_USE = Gauge(
    "leaps_pool_in_use", "Connections of the pools in use.", multiprocess_mode="livesum", registry=REGISTRY
)
POOL_UTILIZATION = Gauge(
    "leaps_pool_utilization_ratio",
    "Share in use of the fullest pool.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
SCHEDULERS = Gauge(
    "leaps_scheduler_running", "Schedulers that are running.", multiprocess_mode="livesum", registry=REGISTRY
)
TICK = Gauge(
    "leaps_scheduler_last_tick_timestamp_seconds",
    "When the scheduler that has been silent longest ticked last; 0 for one that never did.",
    multiprocess_mode="livemin",
    registry=REGISTRY,
)


class Ticking(Protocol):
    """What is asked of the scheduler."""

    @property
    def running(self) -> bool: ...
    @property
    def last_tick_at(self) -> datetime | None: ...


class Sampler:
    """Samples this process until it is closed. `scheduler` is None where this process is to have none."""

    def __init__(self, database: Database, scheduler: Ticking | None, *, seconds: float = SAMPLE_SECONDS) -> None:
        self._database = database
        self._scheduler = scheduler
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def sample(self) -> None:
        size, in_use = pool_figures(self._database)
        POOL_SIZE.set(size)
        POOL_IN_USE.set(in_use)
        POOL_UTILIZATION.set(in_use / size if size else 0)
        if self._scheduler is not None:
            SCHEDULERS.set(self._scheduler.running)
            TICK.set(self._scheduler.last_tick_at.timestamp() if self._scheduler.last_tick_at else 0)

    async def _run(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(self._seconds)
