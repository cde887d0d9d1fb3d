"""The rows of the demo as they are written down, table by table."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from elevate_api.activities.models import Activity
from elevate_api.audit.models import AuditEntry
from elevate_api.badges.models import Badge
from elevate_api.kit.orm import Base
from elevate_api.points.models import LedgerEntry
from elevate_api.points.rules import ActivityCode, StageRates

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The numbers in force: stages and badge criteria as the database has them."""

    rates: Mapping[ActivityCode, StageRates]
    criteria: Mapping[str, dict[str, Any]]

    @classmethod
    def of(cls, activities: list[Activity], badges: list[Badge]) -> "Catalogue":
        rates = {
            ActivityCode(row.code): StageRates(
                code=ActivityCode(row.code),
                default_points=row.default_points,
                points_cap=row.points_cap,
                per_peer_points=row.per_peer_points,
                per_student_points=row.per_student_points,
            )
            for row in activities
        }
        return cls(rates, {badge.code: badge.criteria for badge in badges if badge.active})


@dataclass(slots=True)
class Book:
    """Rows by table. Ids are UUIDv7 of the row's own moment, so they sort as they would have in real life."""

    rng: random.Random
    rows: dict[type[Base], list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, model: type[Base], row: Row) -> Row:
        self.rows[model].append(row)
        return row

    def new_id(self, at: datetime) -> UUID:
        milliseconds = int(at.timestamp() * 1000)
        value = milliseconds << 80 | 7 << 76 | self.rng.getrandbits(12) << 64 | 2 << 62 | self.rng.getrandbits(62)
        return UUID(int=value)

    def ledger(self, user_id: str, stage: str, source: str, delta: int, cause: str, at: datetime) -> None:
        who = {"id": self.new_id(at), "user_id": user_id, "activity_code": stage, "source": source}
        what = {"delta_points": delta, "external_event_id": cause, "event_time": at, "created_at": at}
        self.add(LedgerEntry, who | what)

    def audit(self, actor: str | None, action: str, target: tuple[str, object], details: Row, at: datetime) -> None:
        who = {"id": self.new_id(at), "actor_id": actor, "action": action, "created_at": at}
        what = {"target_type": target[0], "target_id": str(target[1]), "details": details}
        self.add(AuditEntry, who | what)
