"""Why does the database not answer? One step after the other, each depending on the one before."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from elevate_api.kit.db import Address
from elevate_api.kit.problems import describe

STEP_SECONDS = 5.0
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL protocol, "SSLRequest"

HINTS = {
    "dns": "the host name is wrong, or this machine has no name server; a hosted database may be paused",
    "tcp": "a firewall, a wrong port, or the server is down; see the provider's status page",
    "tls": "sslmode asks for TLS and the server offers none, or its certificate is not trusted",
    "authentication": "user, password or database name are wrong, or no connection is left (elevate emergency idle)",
    "version": "it lets us in and does not answer: see elevate ops blocking and elevate ops activity",
    "pool": "connections are used up: elevate ops connections, then elevate emergency idle",
}


@dataclass(frozen=True, slots=True)
class Step:
    """`verdict`: ok, warning, failed, or skipped for a step that does not apply or comes after a failure."""

    address: str
    step: str
    verdict: str
    detail: str
    seconds: float = 0.0


class _Skipped(Exception):
    """The step does not apply."""


class _Warned(Exception):
    """It works, but."""


async def diagnose(name: str, address: Address) -> list[Step]:
    """DNS, TCP, TLS, authentication, version, pool; what comes after a failure is skipped."""
    line = _Line(address)
    todo: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("dns", line.resolve), ("tcp", line.reach), ("tls", line.encrypt),
        ("authentication", line.enter), ("version", line.ask), ("pool", line.count),
    ]  # fmt: skip
    steps: list[Step] = []
    try:
        for step, work in todo:
            if any(one.verdict == "failed" for one in steps):
                steps.append(Step(name, step, "skipped", "a step before it failed"))
                continue
            steps.append(await _take(name, step, work))
    finally:
        await line.close()
    return steps


async def _take(name: str, step: str, work: Callable[[], Awaitable[str]]) -> Step:
    started, verdict = time.monotonic(), "ok"
    try:
        detail = await asyncio.wait_for(work(), STEP_SECONDS)
    except _Skipped as skipped:
        verdict, detail = "skipped", str(skipped)
    except _Warned as warned:
        verdict, detail = "warning", f"{warned}: {HINTS[step]}"
    except TimeoutError:
        verdict, detail = "failed", f"no answer within {STEP_SECONDS:g} s: {HINTS[step]}"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        described = describe(error)
        said = described.message if described and not isinstance(error, OSError) else str(error) or type(error).__name__
        verdict, detail = "failed", f"{said}: {HINTS[step]}"
    return Step(name, step, verdict, detail, round(time.monotonic() - started, 3))


class _Line:
    """One address, looked at step by step. No secret of it is ever in an answer."""

    def __init__(self, address: Address) -> None:
        self._address = address
        arguments = address.driver_arguments()
        self._host, self._port = str(arguments["host"]), int(arguments["port"])
        self._connection: Any = None

    @property
    def _is_socket(self) -> bool:
        return self._host.startswith("/")

    async def resolve(self) -> str:
        if self._is_socket:
            raise _Skipped("a socket of this machine")
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return ", ".join(sorted({str(one[4][0]) for one in found}))

    async def reach(self) -> str:
        if self._is_socket:
            _, writer = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            _, writer = await asyncio.open_connection(self._host, self._port)
        writer.close()
        return "the socket listens" if self._is_socket else f"port {self._port} is open"

    async def encrypt(self) -> str:
        if self._is_socket:
            raise _Skipped("a socket of this machine")
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(_SSL_REQUEST)
            await writer.drain()
            offered = await reader.readexactly(1) == b"S"
            if not offered:
                raise _Warned("the server offers no TLS") if self._wants_tls else _Skipped("not offered, not asked for")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the next step verifies as configured
            await writer.start_tls(context, server_hostname=self._host)
            return str(writer.get_extra_info("ssl_object").version())
        except asyncio.IncompleteReadError as error:
            raise OSError("the server closed the connection; is this PostgreSQL?") from error
        finally:
            writer.close()

    @property
    def _wants_tls(self) -> bool:
        return self._address.connect_args.get("ssl") not in (None, "disable", "allow", "prefer")

    async def enter(self) -> str:
        arguments = self._address.driver_arguments()
        named = {**arguments.pop("server_settings", {}), "application_name": "elevate-emergency"}
        self._connection = await asyncpg.connect(**{**arguments, "timeout": STEP_SECONDS}, server_settings=named)
        return f"as {arguments['user']} to {arguments['database']}"

    async def ask(self) -> str:
        return str(await self._connection.fetchval("SELECT version()"))

    async def count(self) -> str:
        used, usable, limit = await self._connection.fetchrow(_POOL)
        detail = f"{used} of {usable} connections taken" + (f", this role may have {limit}" if limit >= 0 else "")
        if used > 0.8 * usable:  # the manual's threshold
            raise _Warned(detail)
        return detail

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=1)


_POOL = """
SELECT count(*)::integer,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
