"""The worlds that faults happen in: a plain one, one on a tiny disk, one with another clock, one with an outside."""

# ruff: noqa: ASYNC110 - what other processes do gives no event to wait for

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from tests.attachments import standin
from tests.faults import clerk
from tests.faults.world import LAG_SECONDS, World, faketime, ground, tiny_disk, world_on
from tests.replica.test_replica import make_standby
from tests.support import tokens

from elevate_api.postgres import EmbeddedServer, scratch_dir

Settled = AbstractAsyncContextManager[World]
Prepared = Callable[[], Settled]


class NotHereError(Exception):
    """This machine cannot have that world; the message says why."""


@contextmanager
def prepared(kind: str) -> Iterator[Prepared]:
    """What must be done in the main thread, outside a loop. Raises NotHereError."""
    with {"plain": _plain, "tiny": _tiny, "clock": _clock, "outside": _outside}[kind]() as world:
        yield world


def _around(server: EmbeddedServer) -> Path:
    folder = server.data_dir / "around"
    folder.mkdir()
    return folder


@contextmanager
def _plain() -> Iterator[Prepared]:
    with ground() as server:
        folder = _around(server)
        yield lambda: world_on(server, folder)


@contextmanager
def _tiny() -> Iterator[Prepared]:
    settings = {"max_wal_size": "48MB", "min_wal_size": "32MB"}
    try:
        disk = tiny_disk()
        folder = disk.__enter__()
    except OSError as error:
        raise NotHereError(str(error)) from error
    try:
        with scratch_dir() as around, ground(folder, settings) as server:

            @asynccontextmanager
            async def world() -> AsyncIterator[World]:
                async with world_on(server, around) as made:
                    made.notes["disk"] = folder
                    yield made

            yield world
    finally:
        disk.__exit__(None, None, None)


@contextmanager
def _clock() -> Iterator[Prepared]:
    library = faketime()
    if library is None:
        raise NotHereError("libfaketime is not installed")
    with ground() as server:
        folder = _around(server)
        clock = folder / "clock"
        clock.write_text("+0")
        settings = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

        @asynccontextmanager
        async def world() -> AsyncIterator[World]:
            async with world_on(server, folder, settings) as made:
                made.notes |= {"clock": clock, "offset": 0, "now": lambda: time.time() + made.notes["offset"]}
                yield made

        yield world


@contextmanager
def _outside() -> Iterator[Prepared]:
    try:
        disk = tiny_disk()
        backup_disk = disk.__enter__()
    except OSError as error:
        raise NotHereError(str(error)) from error
    try:
        with scratch_dir() as other, ground(postgres={"wal_keep_size": "256MB"}) as server:
            standby = make_standby(server, other / "standby")
            try:
                yield lambda: _outside_world(server, standby, backup_disk)
            finally:
                standby.stop("immediate")
    finally:
        disk.__exit__(None, None, None)


@asynccontextmanager
async def _outside_world(server: EmbeddedServer, standby: EmbeddedServer, disk: Path) -> AsyncIterator[World]:
    async with standin.running() as storage, clerk.stand_in().running() as signs:
        settings = {
            **signs.settings,
            "SUPABASE_URL": storage.url,
            "SUPABASE_SECRET_KEY": standin.OPAQUE_KEY,
            "ATTACHMENT_STORE": "supabase",
            "ATTACHMENT_BUCKET": standin.BUCKET,
            "ANALYTICS_DATABASE_URL": standby.dsn("faults", "elevate_app"),
            "ANALYTICS_MAX_LAG_SECONDS": str(LAG_SECONDS),
        }
        async with world_on(server, _around(server), settings) as world:
            world.standby = standby
            world.notes |= {"storage": storage, "clerk": signs, "backup_disk": disk}
            world.notes["without_keys"] = await _first_sign_in(world)
            yield world


async def _first_sign_in(world: World) -> str:
    """The service has started without a key: callers are told to come again, and are let in as soon as there is one."""
    async with httpx.AsyncClient(base_url=world.service.url, timeout=20) as client:
        before = (await client.get("/api/me", headers=tokens.bearer("adjusted"))).status_code
        world.notes["clerk"].down = False
        since = time.monotonic()
        async with asyncio.timeout(30):
            while (await client.get("/api/me", headers=tokens.bearer("adjusted"))).status_code != httpx.codes.OK:
                await asyncio.sleep(0.05)
    return f"{before}, then well after {time.monotonic() - since:.1f} s"
