"""`elevate ...` as it is typed, inside the test's process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from elevate_api.cli.commands import app

Type = Callable[..., Result]


@pytest.fixture
def elevate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app_dsn: str, owner_dsn: str) -> Type:
    """On the test's database, the service's address and the owner's both set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", app_dsn)
    monkeypatch.setenv("DIRECT_URL", owner_dsn)

    def elevate(*arguments: str, typed: str | None = None, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with ThreadPoolExecutor(1) as pool:  # commands run an event loop of their own
            return pool.submit(CliRunner().invoke, app, list(arguments), input=typed).result()

    return elevate


async def behind_the_back(superuser_dsn: str, *statements: str) -> None:
    """What a superuser can do to a table: no trigger fires, no foreign key is looked at."""
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
