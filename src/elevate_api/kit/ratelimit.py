"""Rate limits with the headers of draft-ietf-httpapi-ratelimit-headers. A broken storage lets everybody through."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string
from starlette.requests import Request
from starlette.types import Scope

from elevate_api.kit import context
from elevate_api.kit.problems import RateLimited

MEMORY = "memory://"
MAX_KEYS = 100_000
"""Callers remembered at once by the memory storage, about 300 bytes each; the longest unseen is forgotten first."""

STORAGE_PATIENCE = 0.25
"""Seconds that a request waits for the storage before it is let through."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Charge:
    """One request on the account of `key` (a user id, an address) in `bucket` (reads, writes, anonymous...)."""

    bucket: str
    key: str


class RateLimiter:
    """Counts charges against rules such as `{"writes": ["60/minute", "600/hour"]}`; every rule of a bucket must hold.

    The window slides, so a burst at the turn of a minute gains nothing. `storage` is one, or its address as the
    `limits` library names it.
    """

    def __init__(
        self, rules: Mapping[str, Sequence[str]], storage: str | Storage = MEMORY, *, max_keys: int = MAX_KEYS
    ) -> None:
        self._rules = {bucket: tuple(parse(rule) for rule in texts) for bucket, texts in rules.items()}
        self._storage = _storage(storage, max_keys) if isinstance(storage, str) else storage
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)
        self._silent_until = 0.0

    async def charge(self, charge: Charge) -> "Standing | None":
        """Count one request; None when the storage failed. Raises KeyError for a bucket without rules."""
        rules = self._rules[charge.bucket]
        try:
            async with asyncio.timeout(max(STORAGE_PATIENCE, getattr(self._storage, "patience", 0.0))):
                return await self._count(charge, rules)
        except Exception as error:  # noqa: BLE001  (whatever a storage raises: limits protect us, they must not stop us)
            self._complain(error)
            return None

    async def _count(self, charge: Charge, rules: Sequence[RateLimitItem]) -> "Standing":
        standing = Standing()
        for number, rule in enumerate(rules):
            allowed = await self._strategy.hit(rule, charge.bucket, charge.key)
            reset_at, remaining = await self._strategy.get_window_stats(rule, charge.bucket, charge.key)
            name = charge.bucket if number == 0 else f"{charge.bucket}-{number + 1}"
            standing.add(name, rule, remaining if allowed else 0, max(1, math.ceil(reset_at - time.time())))
            if not allowed:
                standing.refused = True
                break
        return standing

    async def aclose(self) -> None:
        close = getattr(self._storage, "aclose", None)
        if close is not None:
            await close()

    def _complain(self, error: Exception) -> None:
        """Say so once in ten seconds: a dead storage fails for every request."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + 10
            log.warning("rate_limit_storage_failed", error=repr(error))


class Standing:
    """Where a caller stands after a charge, as the two headers say it. Times in seconds."""

    def __init__(self) -> None:
        self.refused = False
        self.retry_after = 1
        self._policies: list[str] = []
        self._limits: list[str] = []

    def add(self, name: str, rule: RateLimitItem, remaining: int, reset: int) -> None:
        self._policies.append(f'"{name}";q={rule.amount};w={rule.get_expiry()}')
        self._limits.append(f'"{name}";r={remaining};t={reset}')
        self.retry_after = reset

    def write(self, scope: Scope) -> None:
        """Put both headers on whatever answers the request."""
        context.add_header(scope, "RateLimit-Policy", ", ".join(self._policies))
        context.add_header(scope, "RateLimit", ", ".join(self._limits))


async def enforce(request: Request, due: Charge | None) -> None:
    """Count the request and say in its headers where the caller stands; None exempts it. Raises RateLimited.

    The limiter is `app.state.rate_limiter` (None switches limits off).
    """
    limiter: RateLimiter | None = request.app.state.rate_limiter
    standing = await limiter.charge(due) if limiter is not None and due is not None else None
    if standing is None:
        return
    standing.write(request.scope)
    if standing.refused:
        raise RateLimited(headers={"Retry-After": str(standing.retry_after)})


def address_of(scope: Scope) -> str:
    """Client address as an account: an IPv6 client has a whole /64 to choose from, so that is one account."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else address.exploded[:19]
    return str(address)


@dataclass(slots=True)
class Window:
    """What was used in a window and in the one before; windows are numbered since 1970."""

    number: int
    current: int = 0
    previous: int = 0

    def turn(self, number: int) -> None:
        if number != self.number:
            self.previous = self.current if number == self.number + 1 else 0
            self.number, self.current = number, 0

    def weighted(self, expiry: int, now: float) -> float:
        return self.previous * (1 - now % expiry / expiry) + self.current


class BoundedMemory(MemoryStorage):
    """The library's memory storage scans every key in a task of its own at each hit; this one never holds too many."""

    STORAGE_SCHEME = ["async+bounded-memory"]  # noqa: RUF012  (as the base class has it)
    window_type: type[Window] = Window

    def __init__(self, uri: str | None = None, max_keys: int = MAX_KEYS, **options: Any) -> None:
        super().__init__(uri, **options)
        self._max_keys = int(max_keys)
        self._windows: OrderedDict[tuple[str, int], Any] = OrderedDict()

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = time.time()
        window = self._window(key, expiry, now)
        if math.floor(window.weighted(expiry, now)) + amount > limit:
            return False
        window.current += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = time.time()
        window = self._window(key, expiry, now)
        left = expiry - now % expiry
        return window.previous, left if window.previous else 0.0, window.current, left + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._windows.pop((key, expiry), None)

    async def reset(self) -> int | None:
        count = len(self._windows)
        self._windows.clear()
        return count

    def _window(self, key: str, expiry: int, now: float) -> Any:
        number = int(now // expiry)
        window = self._windows.get((key, expiry))
        if window is None:
            window = self._windows[key, expiry] = self.window_type(number)
            if len(self._windows) > self._max_keys:
                self._windows.popitem(last=False)
        self._windows.move_to_end((key, expiry))
        window.turn(number)
        return window


def _storage(uri: str, max_keys: int) -> Storage:
    if uri == MEMORY:
        return BoundedMemory(max_keys=max_keys)
    storage = storage_from_string(uri if uri.startswith("async+") else f"async+{uri}")
    if not isinstance(storage, Storage):
        raise TypeError(f"{uri.partition(':')[0]} is no asynchronous storage")
    return storage
