"""A believable programme: three cohorts, twelve schools, 200 educators, sixty days.

The same rows at any time it is asked for, moved to the present: a fixed seed, no outside data. The rules are the
service's own (`points.rules`, `badges.criteria`); a test proves the result against the rules of the domain page.
"""

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.activities.repository import ActivityRepository
from elevate_api.audit.models import AuditEntry
from elevate_api.badges.models import EarnedBadge
from elevate_api.badges.repository import BadgeRepository
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kit.orm import Base
from elevate_api.points.models import LedgerEntry, PointAdjustment
from elevate_api.points.rules import ActivityCode
from elevate_api.seeds.demo import words
from elevate_api.seeds.demo.book import Book, Catalogue
from elevate_api.seeds.demo.courses import strangers, take_courses
from elevate_api.seeds.demo.journey import Journey
from elevate_api.seeds.demo.people import educators, staff_rows
from elevate_api.seeds.demo.plan import BOTH_WAYS, BY_TAG, Planner
from elevate_api.submissions.models import Submission
from elevate_api.users.models import User

SEED = 20260501
ADJUSTED_SHARE = 0.12
# Parents before children.
TABLES: tuple[type[Base], ...] = (
    User,
    Submission,
    KajabiEvent,
    PointAdjustment,
    LedgerEntry,
    EarnedBadge,
    AuditEntry,
)
RESTORE = text("SET LOCAL elevate.restore = 'on'")
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('elevate:demo', 0))")


async def seed(session: AsyncSession, zone: ZoneInfo) -> bool:
    """Write the demo into a database that nobody has submitted anything to; tells whether it did.

    Run it as the owner of the tables, after the reference data: rows arrive as they were, decided ones included.
    """
    await session.execute(LOCK)
    if await session.scalar(select(exists().select_from(Submission) | exists().select_from(LedgerEntry))):
        return False
    badges = await BadgeRepository(session).all()
    catalogue = Catalogue.of(await ActivityRepository(session).all(), badges)
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    await session.execute(RESTORE)
    for model, rows in build(catalogue, now, zone).rows.items():
        await session.execute(insert(model), rows)
    return True


def build(catalogue: Catalogue, now: datetime, zone: ZoneInfo) -> Book:
    """Every row of the demo as of `now`."""
    rng = random.Random(SEED)  # noqa: S311 - a demo is meant to be predictable
    book = Book(rng, {model: [] for model in TABLES})
    book.rows[User] = list(staff_rows(now))
    for person in educators(rng, now):
        book.add(User, person.row())
        _live(Journey(person, book, catalogue, now, zone), Planner(rng, now, zone))
    strangers(book, now)
    return book


def _live(journey: Journey, planner: Planner) -> None:
    person, rng = journey.person, journey.rng
    by_tag = person.contact_id is not None and rng.random() < BY_TAG
    if person.contact_id is not None and by_tag:
        take_courses(journey, person.contact_id, planner.tags())
    for planned in planner.submissions(learns_by_form=not by_tag or rng.random() < BOTH_WAYS):
        journey.submit(planned)
    if rng.random() < ADJUSTED_SHARE:
        _correct(journey, planner.now)
    journey.play()


def _correct(journey: Journey, now: datetime) -> None:
    stage, delta, reason = journey.rng.choice(words.ADJUSTMENTS)
    at = now - timedelta(days=journey.rng.uniform(0.2, 20))
    journey.at(at, lambda moment: journey.adjust(ActivityCode(stage), delta, reason, moment))
