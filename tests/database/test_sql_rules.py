"""Rules that SQL decides by and Python knows too (seeds, forecasts, the queue): hundreds of cases, one verdict."""

import json
import random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from elevate_api.badges.criteria import Facts, is_met
from elevate_api.kajabi import rules
from elevate_api.kit.db import Database
from elevate_api.points.rules import ActivityCode, StageRates, Standing, compute_award

CASES = 600
STAGES = [code.value for code in ActivityCode]


def criteria(pick: random.Random, depth: int = 0) -> dict[str, Any]:
    if depth < 3 and pick.random() < 0.4:
        parts = [criteria(pick, depth + 1) for _ in range(pick.randint(1, 4))]
        return {"type": pick.choice(["any", "all"]), "of": parts}
    rule: dict[str, Any] = {"type": pick.choice(["points", "approvals"]), "atLeast": pick.randint(1, 6)}
    if rule["type"] == "approvals" and pick.random() < 0.2:
        del rule["atLeast"]
    if pick.random() < 0.7:
        rule["activity"] = pick.choice(STAGES)
    return rule


async def test_badges_are_met_in_sql_as_in_python(owner: Database) -> None:
    pick = random.Random(9)  # noqa: S311 - cases, no secrets
    cases = []
    for _ in range(CASES):
        facts = [{code: pick.randint(-3, 6) for code in STAGES if pick.random() < 0.6} for _ in range(2)]
        cases.append((criteria(pick), *facts))
    expected = [is_met(rule, Facts(points, approvals)) for rule, points, approvals in cases]
    assert {True, False} == set(expected)
    found = await owner.once(
        """SELECT badge_met(c -> 0, c -> 1, c -> 2)
           FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS a (c, n) ORDER BY n""",
        json.dumps(cases),
    )
    assert [row[0] for row in found] == expected


async def test_criteria_that_somebody_broke_are_met_by_nobody(owner: Database) -> None:
    broken = [
        {}, {"type": "magic"}, {"type": "points"}, {"type": "points", "atLeast": "many"}, {"type": "any", "of": []},
        {"type": "all", "of": []}, {"type": "all", "of": 3}, {"type": "any", "of": [{"kind": 1}]}, [], 7, "points",
    ]  # fmt: skip
    everything = json.dumps(dict.fromkeys(STAGES, 1000))
    for rule in broken:
        rows = await owner.once("SELECT badge_met($1, $2, $2)", json.dumps(rule), everything)
        assert rows[0][0] is False, rule


async def test_awards_are_worth_in_sql_what_they_are_in_python(owner: Database) -> None:
    pick = random.Random(10)  # noqa: S311 - as above
    expected: list[tuple[int, int, int]] = []
    cases: list[list[Any]] = []
    for _ in range(CASES):
        rates = StageRates(
            ActivityCode(pick.choice(STAGES)), pick.randint(0, 60), pick.choice([None, 20, 0, 130]), pick.randint(0, 5),
            pick.randint(0, 3),
        )  # fmt: skip
        standing, people = (
            Standing(pick.randint(-50, 60), pick.random() < 0.5),
            (pick.randint(0, 50), pick.randint(0, 200)),
        )
        award = compute_award(rates, standing, peers=people[0], students=people[1])
        expected.append((award.points, award.lowest, award.highest))
        row = {
            "code": rates.code, "name": "", "description": "", "position": 0, "default_points": rates.default_points,
            "points_cap": rates.points_cap, "per_peer_points": rates.per_peer_points,
            "per_student_points": rates.per_student_points,
        }  # fmt: skip
        cases.append([row, standing.awarded, standing.has_awarded_approval, *people])
    found = await owner.once(
        """SELECT w.* FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS a (c, n) CROSS JOIN LATERAL award_of(
             jsonb_populate_record(NULL::activities, c -> 0), (c ->> 1)::bigint, (c ->> 2)::boolean, (c ->> 3)::integer,
             (c ->> 4)::integer) w ORDER BY n""",
        json.dumps(cases),
    )
    assert [tuple(row) for row in found] == expected


async def test_events_come_in_sql_to_what_they_come_to_in_python(owner: Database) -> None:
    expected: list[tuple[Any, ...]] = []
    cases: list[list[Any]] = []
    pick = random.Random(11)  # noqa: S311 - as above
    for _ in range(CASES):
        person, holder = pick.choice(["user_1", "user_1", None]), pick.choice([None, None, "user_1", "user_2"])
        standing = rules.Standing(
            person_id=person, erased=pick.random() < 0.2, bound_contact=None, contact_owner=None, grant_contact="77",
            awarded=pick.randint(-10, 30), points_cap=pick.choice([20, None, 0]),
            granted_event=pick.choice([None, None, None, uuid4()]), ledger_person=holder,
            ledger_points=None if holder is None else pick.choice([10, 20]),
        )  # fmt: skip
        points = pick.choice([10, 20])
        decision = rules.decide(points, standing)
        first = None if decision.duplicate_of is None else str(decision.duplicate_of)
        expected.append(
            (decision.status.value, decision.reason, decision.points, decision.append, first, decision.forget)
        )
        event = None if standing.granted_event is None else str(standing.granted_event)
        cases.append([points, person, standing.erased, event, holder, standing.ledger_points, standing.awarded,
                      standing.points_cap])  # fmt: skip
    found = await owner.once(
        """SELECT d.* FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS a (c, n) CROSS JOIN LATERAL kajabi_decide(
             (c ->> 0)::integer, c ->> 1, (c ->> 2)::boolean, (c ->> 3)::uuid, c ->> 4, (c ->> 5)::integer,
             (c ->> 6)::bigint, (c ->> 7)::integer) d ORDER BY n""",
        json.dumps(cases),
    )
    told = [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in found]
    assert told == expected


async def test_the_limits_read_without_a_plan_are_those_of_the_settings(owner: Database) -> None:
    async with owner.session() as session:
        await session.execute(text("UPDATE app_settings SET value = '7' WHERE key = 'submissions_per_hour'"))
        row = (await session.execute(text("SELECT app_limit('submissions_per_hour', 10), app_limit('none', 3)"))).one()
    assert tuple(row) == (7, 3)
