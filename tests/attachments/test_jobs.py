import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from tests.attachments.conftest import CSV, PDF, Upload, announce, send

from elevate_api.attachments import jobs
from elevate_api.attachments.local import INCOMING, LocalStorage
from elevate_api.attachments.storage import new_key
from elevate_api.kit.db import Database

SignIn = Callable[..., Awaitable[Any]]
Make = Callable[..., Awaitable[Any]]
LONG_AGO = 3 * 86_400


@pytest.fixture
def storage(folder: Path) -> LocalStorage:
    return LocalStorage(folder)


async def run(owner: Database, statement: str, **values: Any) -> list[Any]:
    """As the operator, for whom rows stand still."""
    async with owner.session() as session:
        await session.execute(text("SET LOCAL elevate.restore = 'on'"))
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


def today() -> list[Any]:
    now = datetime.now(UTC)
    return [now.date() - timedelta(days=1), now.date()]


async def test_a_removed_row_takes_its_object_along_twice(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, owner: Database, database: Database,
    storage: LocalStorage, upload: Upload,
) -> None:  # fmt: skip
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    await upload(teacher, submission, PDF)
    [(key, link_until)] = await run(owner, "SELECT storage_key, created_at + '2h' FROM submission_attachments")
    await run(owner, "DELETE FROM submission_attachments")
    assert storage.path_of(key).exists()
    assert await jobs.remove_due(database, storage) == 1
    assert not storage.path_of(key).exists()
    # The upload's link still works: whoever has it may put the file back, so it is removed once more afterwards.
    [(due,)] = await run(owner, "SELECT due_at FROM attachment_removals")
    assert due > link_until
    assert await jobs.remove_due(database, storage) == 0
    storage.path_of(key).write_bytes(PDF)
    await run(
        owner, "UPDATE attachment_removals SET due_at = now() - '1s'::interval, upload_until = now() - '1s'::interval"
    )
    assert await jobs.remove_due(database, storage) == 1
    assert not storage.path_of(key).exists()
    assert await run(owner, "SELECT 1 FROM attachment_removals") == []


async def test_the_sweep_brings_rows_and_objects_together(
    as_user: SignIn, client: httpx.AsyncClient, make_submission: Make, owner: Database, database: Database,
    storage: LocalStorage, upload: Upload, folder: Path,
) -> None:  # fmt: skip
    teacher = await as_user()
    submission = await make_submission(teacher.user)
    kept, lost = await upload(teacher, submission, PDF), await upload(teacher, submission, CSV, kind="text/csv")
    never_came = await announce(teacher, submission, PDF)
    on_its_way = await announce(teacher, submission, PDF)
    assert (await send(client, on_its_way, PDF)).status_code == 200
    keys = dict(await run(owner, "SELECT id::text, storage_key FROM submission_attachments"))
    storage.path_of(keys[lost["id"]]).unlink()
    await run(owner, "UPDATE submission_attachments SET created_at = now() - '2d'::interval WHERE id = :id",
              id=UUID(never_came["id"]))  # fmt: skip

    stray, young = (new_key(UUID(int=number), datetime.now(UTC)) for number in (1, 2))
    for key in (stray, young):
        storage.path_of(key).write_bytes(b"nobody's")
    broken = folder / INCOMING / "broken-off"
    broken.write_bytes(b"half")
    for path in (storage.path_of(stray), broken):
        os.utime(path, (time.time() - LONG_AGO,) * 2)

    outcome = await jobs.sweep(database, storage, today())
    assert outcome == {"unfinished": 1, "orphans": 1, "brokenOff": 1, "missing": [lost["id"]]}
    assert not storage.path_of(stray).exists()
    assert not broken.exists()
    for key in (young, keys[kept["id"]], keys[on_its_way["id"]]):
        assert storage.path_of(key).exists(), "what is young or somebody's stays"
    rows = await run(owner, "SELECT id::text FROM submission_attachments")
    assert {row[0] for row in rows} == {kept["id"], lost["id"], on_its_way["id"]}

    assert await jobs.sweep(database, storage, today()) == {
        "unfinished": 0, "orphans": 0, "brokenOff": 0, "missing": [lost["id"]],
    }  # fmt: skip


async def test_a_store_that_is_down_keeps_the_order_to_remove(owner: Database, database: Database) -> None:
    class Broken(LocalStorage):
        async def remove(self, keys: Any) -> None:
            raise OSError("gone")

    await run(owner, "INSERT INTO attachment_removals (storage_key, upload_until) VALUES ('2025/01/20/x', now())")
    with pytest.raises(OSError, match="gone"):
        await jobs.remove_due(database, Broken(Path("/nonexistent")))
    assert len(await run(owner, "SELECT 1 FROM attachment_removals")) == 1


def test_both_jobs_are_declared(storage: LocalStorage) -> None:
    assert [job.name for job in jobs.jobs(storage)] == ["remove-attachments", "sweep-attachments"]
