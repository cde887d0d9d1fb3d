"""A look: a statement, and what its columns are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """`help` is what `elevate ops <name> --help` says; `defaults` are the statement's parameters."""

    name: str
    help: str
    columns: tuple[str, ...]
    statement: str
    defaults: Mapping[str, Any] = field(default_factory=dict)

    async def rows(self, session: AsyncSession, **parameters: Any) -> list[Row]:
        found = await session.execute(text(self.statement), {**self.defaults, **parameters})
        return [dict(row) for row in found.mappings()]
