"""A service whose notices go to a sink, and a clock that the test moves."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from tests.support.sink import HttpSink

from elevate_api.alerts.monitor import AlertMonitor, Round
from elevate_api.config import AlertSettings, NoticeSettings, Settings
from elevate_api.kit.clock import utcnow
from elevate_api.kit.db import Database

Watching = Callable[..., "Watch"]


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink().running() as sink:
        yield sink


@pytest.fixture
def settings(settings: Settings, sink: HttpSink) -> Settings:
    """Slow is what takes longer than 0.3 s; everything else as in production."""
    return settings.model_copy(
        update={
            "alerts": AlertSettings.model_validate({"ALERT_SLOW_QUERY_SECONDS": 0.3}),
            "notices": NoticeSettings.model_validate({"ALERT_WEBHOOK_URL": f"{sink.url}/hook"}),
        }
    )


class Watch:
    """An evaluator, and minutes since the test began."""

    def __init__(self, monitor: AlertMonitor, sink: HttpSink) -> None:
        self.monitor = monitor
        self.began = utcnow()
        self._sink = sink

    def at(self, minutes: float) -> datetime:
        return self.began + timedelta(minutes=minutes)

    async def look(self, minutes: float = 0) -> Round:
        """Evaluate as of so many minutes after the beginning, and wait until the notices are out."""
        done = await self.monitor.round(self.at(minutes), force=True)
        await self.monitor.settled()
        return done

    async def told(self, rule: str, minutes: float) -> list[str]:
        """Look, and answer the kinds of all notices about the rule so far."""
        await self.look(minutes)
        return self._sink.of(rule)


@pytest.fixture
async def watch(app: FastAPI, sink: HttpSink) -> Watch:
    """The service's own evaluator."""
    return Watch(app.state.alerts, sink)


@pytest.fixture
async def another_watch(settings: Settings, database: Database, sink: HttpSink) -> AsyncIterator[Callable[..., Watch]]:
    """`another_watch(sources=...)`: an evaluator of a further process."""
    made: list[AlertMonitor] = []

    def make(**more: Any) -> Watch:
        made.append(AlertMonitor(settings, database, lambda _revision: 0, **more))
        return Watch(made[-1], sink)

    yield make
    for monitor in made:
        await monitor.close()
