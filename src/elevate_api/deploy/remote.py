"""What can be seen of a running service from outside."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from elevate_api.kit.procedures import ProcedureFailed

PUBLIC_READS = ("/api/leaderboard", "/api/leaderboard?period=30d", "/api/stats", "/api/activities", "/api/badges")
"""What visitors see first: warmed after a deploy, verified in production."""
TIMEOUT_SECONDS = 15.0
PAUSE_SECONDS = 0.5


class NotWell(ProcedureFailed):
    """The service does not answer as it should."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service at `url`; `client` stands in for the network in tests. `patience`: seconds to wait for it to be up."""

    url: str
    patience: float = 0
    client: Callable[[], httpx.Client] = lambda: httpx.Client(timeout=TIMEOUT_SECONDS)

    def get(self, path: str) -> httpx.Response:
        """One request; NotWell when nothing answers."""
        with self.client() as client:
            try:
                return client.get(self.url.rstrip("/") + path)
            except httpx.HTTPError as error:
                raise NotWell(f"{self.url} does not answer ({type(error).__name__})") from error

    def health(self, *, revision: str | None = None) -> str:
        """/api/health/database, as the manual asks it, until it is well or patience ends.

        `revision`: the migration that it must stand at. A degraded service serves: it passes, and is told.
        """
        until = time.monotonic() + self.patience
        while True:
            try:
                return _judge(self.get("/api/health/database"), revision)
            except NotWell:
                if time.monotonic() >= until:
                    raise
                time.sleep(PAUSE_SECONDS)

    def warm(self, paths: Sequence[str] = PUBLIC_READS) -> str:
        """Ask for every public read once; the slowest is told. Raises NotWell for an answer that is not 200."""
        slowest, where = 0.0, ""
        for path in paths:
            started = time.monotonic()
            answer = self.get(path)
            if answer.status_code != httpx.codes.OK:
                raise NotWell(f"{path} answered {answer.status_code}")
            slowest, where = max((slowest, where), (time.monotonic() - started, path))
        return f"{len(paths)} public reads, the slowest {slowest * 1000:.0f} ms ({where})"

    def expect(self, path: str, status: int, content_type: str = "application/json") -> str:
        """Raises NotWell unless the path answers so."""
        answer = self.get(path)
        found = answer.headers.get("content-type", "").partition(";")[0]
        if (answer.status_code, found) != (status, content_type):
            raise NotWell(f"{path} answered {answer.status_code} {found}, not {status} {content_type}")
        return f"{status}"


def _judge(answer: httpx.Response, revision: str | None) -> str:
    if answer.status_code != httpx.codes.OK:
        raise NotWell(f"its health check answered {answer.status_code}")
    try:
        health: dict[str, Any] = answer.json()
        status, current = health["status"], health["migrations"]["current"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotWell("what answers there is not this service") from error
    if revision is not None and current != revision:
        raise NotWell(f"it stands at migration {current}, not {revision}")
    unwell = [check["name"] for check in health.get("checks", []) if check.get("status") != "pass"]
    return f"{status}, migration {current}" + (f"; look at: {', '.join(unwell)}" if unwell else "")
