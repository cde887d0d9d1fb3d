"""What an invariant is."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.ops.ledger_check.ledger import Difference

SAMPLES = 20


class Severity(StrEnum):
    """A warning wants a look; an error means that the data contradict each other."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(slots=True)
class Violations:
    """How many there are, and the first of them; ids and figures, no personal data."""

    count: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **sample: Any) -> None:
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(sample)


class Invariant(ABC):
    """`name` is for machines and stays; `title` says what must be true."""

    name: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity] = Severity.ERROR

    @abstractmethod
    async def find(self, session: AsyncSession) -> Violations:
        """Look for violations; reads only."""


class SqlInvariant(Invariant):
    """`statement` answers a row a violation."""

    statement: ClassVar[str]

    async def find(self, session: AsyncSession) -> Violations:
        wrapped = f"SELECT v.*, count(*) OVER () AS violations_in_all FROM ({self.statement}) v LIMIT {SAMPLES}"
        rows = [dict(row) for row in (await session.execute(text(wrapped))).mappings()]
        counts = [row.pop("violations_in_all") for row in rows]
        return Violations(counts[0] if counts else 0, rows)


async def gather(differences: AsyncIterator[Difference]) -> Violations:
    found = Violations()
    async for one in differences:
        person = {} if one.user_id is None else {"user_id": one.user_id}
        points = {} if one.expected is None else {"expected": one.expected, "actual": one.actual}
        found.add(kind=one.kind, subject=one.subject, **person, **points)
    return found
