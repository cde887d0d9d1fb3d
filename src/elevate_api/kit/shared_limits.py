"""Rate limits over several processes: each counts by itself and tells the others through the database.

What a process let through is added to the shared sums once a second for all callers in one statement, and at once when
a caller has used a fiftieth of a limit since the last time: then the request waits for the sums. So a quiet caller
never waits for the database, a busy one every few requests, and `processes` together let at most
`limit * (1 + processes / 50)` through in a window, and one each where the limit is below 50. While the database does
not answer, each process holds the limit by itself.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar

import asyncpg
import structlog
from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from elevate_api.kit.db import Address
from elevate_api.kit.orm import Base
from elevate_api.kit.ratelimit import BoundedMemory, Window

SLACK = 50
"""One in so many requests of a limit may be let through before the others are asked."""
FLUSH_SECONDS = 1.0
PATIENCE = 0.5
"""Seconds that a request waits for the sums."""
ANSWER_SECONDS = 2.0
"""How long the database may take for them, a new connection included."""
REST_SECONDS = 5.0
"""How long nobody waits again after that."""
SWEEP_SECONDS = 60.0

log = structlog.get_logger(__name__)
Key = tuple[str, int]


class RateLimitWindow(Base):
    """What all processes let through. `account` is a digest; `number` counts the rule's windows since 1970."""

    __tablename__ = "rate_limit_windows"
    __table_args__: ClassVar[dict[str, list[str]]] = {"prefixes": ["UNLOGGED"]}  # type: ignore[misc]

    account: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    used: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(slots=True)
class SharedWindow(Window):
    """`current` and `previous` are what all processes used, as far as this one knows; `untold` what only it knows."""

    untold: int = 0
    telling: int = 0


class SharedMemory(BoundedMemory):
    """Storage of `RateLimiter` whose windows are those of all processes. Close it with `aclose`."""

    window_type: type[Window] = SharedWindow

    patience = PATIENCE + 0.25

    def __init__(self, address: Address, *, flush_seconds: float = FLUSH_SECONDS, **options: Any) -> None:
        super().__init__(**options)
        self._address = address
        self._flush_seconds = flush_seconds
        self._dirty: set[Key] = set()
        self._urgent, self._told = asyncio.Event(), asyncio.Event()
        self._resting_until = 0.0
        self._swept_at = time.monotonic()
        self._connection: Any = None
        self._teller: asyncio.Task[None] | None = None

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        await self._ask_the_others(key, limit, expiry)
        if not await super().acquire_sliding_window_entry(key, limit, expiry, amount):
            return False
        self._window(key, expiry, time.time()).untold += amount
        self._dirty.add((key, expiry))
        if self._teller is None or self._teller.done():
            self._teller = asyncio.create_task(self._tell_for_ever())
        return True

    async def _ask_the_others(self, key: str, limit: int, expiry: int) -> None:
        allowance = max(1, limit // SLACK)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._keeps_back(key, expiry) >= allowance and time.monotonic() >= self._resting_until:
                    told = self._told
                    self._urgent.set()
                    await told.wait()

    def _keeps_back(self, key: str, expiry: int) -> int:
        window = self._window(key, expiry, time.time())
        return int(window.untold + window.telling)

    async def _tell_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._urgent.wait()
            self._urgent.clear()
            try:
                await self.tell()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self._rest(repr(error))
            told, self._told = self._told, asyncio.Event()
            told.set()

    async def tell(self) -> None:
        """Add what is untold to the sums and learn them. One statement, however many callers there are."""
        keys = [key for key in self._dirty if key in self._windows]
        self._dirty.clear()
        due = {key: self._windows[key] for key in keys}
        numbers = {key: window.number for key, window in due.items()}
        for window in due.values():
            window.telling, window.untold = window.untold, 0
        try:
            sums = await self._add(numbers, due) if due else {}
        except BaseException:
            self._take_back(due)
            raise
        for key, window in due.items():
            used, before = sums.get((_account(key), numbers[key]), (0, 0))
            window.telling = 0
            if window.number == numbers[key]:
                window.current, window.previous = used + window.untold, max(window.previous, before)
            elif window.number == numbers[key] + 1:
                window.previous = max(window.previous, used)
        await self._sweep()

    async def _add(
        self, numbers: dict[Key, int], due: dict[Key, SharedWindow]
    ) -> dict[tuple[bytes, int], tuple[int, int]]:
        # Sorted, so that two processes that tell of the same callers wait for each other and do not deadlock.
        rows = sorted(
            (_account(key), numbers[key], window.telling, float((numbers[key] + 2) * key[1]))
            for key, window in due.items()
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await self._connected()
            found = await connection.fetch(_ADD, *map(list, zip(*rows, strict=True)))
        return {(row["account"], row["number"]): (row["used"], row["before"]) for row in found}

    def _take_back(self, due: dict[Key, SharedWindow]) -> None:
        """The sums may or may not have it: told twice is the safe side of a connection that broke in between."""
        for key, window in due.items():
            window.untold, window.telling = window.untold + window.telling, 0
            self._dirty.add(key)
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS and self._connection is not None:
            self._swept_at = time.monotonic()
            await self._connection.execute(_SWEEP)

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            arguments = self._address.driver_arguments()
            named = {**arguments.pop("server_settings", {}), "application_name": "elevate-limits"}
            self._connection = await asyncpg.connect(**{"timeout": ANSWER_SECONDS, **arguments}, server_settings=named)
        return self._connection

    def _rest(self, why: str) -> None:
        if time.monotonic() >= self._resting_until:
            log.warning("rate_limits_not_shared", error=why)
        self._resting_until = time.monotonic() + REST_SECONDS

    async def aclose(self) -> None:
        """Tell the last of it and hang up."""
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.gather(self._teller, return_exceptions=True)
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.tell()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _account(key: Key) -> bytes:
    """A name that tells neither the caller's id nor their address."""
    return blake2b(f"{key[1]} {key[0]}".encode(), digest_size=16).digest()


_ADD = """
INSERT INTO rate_limit_windows AS w (account, number, used, expires_at)
SELECT account, number, used, to_timestamp(expires)
FROM unnest($1::bytea[], $2::bigint[], $3::integer[], $4::float8[]) AS told (account, number, used, expires)
ORDER BY account, number
ON CONFLICT (account, number) DO UPDATE SET used = w.used + excluded.used
RETURNING account, number, used, coalesce(
  (SELECT p.used FROM rate_limit_windows p WHERE p.account = w.account AND p.number = w.number - 1), 0) AS before
"""
_SWEEP = """
DELETE FROM rate_limit_windows WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM rate_limit_windows WHERE expires_at < now() ORDER BY expires_at LIMIT 50000 FOR UPDATE SKIP LOCKED))
"""
