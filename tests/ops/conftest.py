from collections.abc import Awaitable, Callable

import pytest
from tests.ops.commands import behind_the_back, elevate

__all__ = ["elevate"]

Superuser = Callable[..., Awaitable[None]]


@pytest.fixture
def superuser(superuser_dsn: str) -> Superuser:
    """`await superuser("DELETE FROM points_ledger")`: behind the triggers' back."""

    async def run(*statements: str) -> None:
        await behind_the_back(superuser_dsn, *statements)

    return run
