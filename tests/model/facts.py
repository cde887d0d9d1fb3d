"""What the database says and what the programme in memory says, in the same words."""

import json
from collections import Counter
from typing import Any, TypeAlias

from tests.model.programme import Programme
from tests.support.sql import Connection

Facts: TypeAlias = dict[str, dict[Any, Any]]

_FACTS = """
SELECT json_build_object(
  'people', (SELECT json_object_agg(id, json_build_array(role, email, email_verified, show_on_leaderboard, cohort,
      kajabi_contact_id, erase_at IS NOT NULL, erased_at IS NOT NULL, suspended_at IS NOT NULL)) FROM users),
  'submissions', (SELECT json_object_agg(id, json_build_array(user_id, activity_code, status, version, visibility,
      points_awarded, reviewer_id, coalesce(peers_trained, 0), coalesce(students_trained, 0))) FROM submissions),
  'ledger', (SELECT json_object_agg(external_event_id, json_build_array(user_id, activity_code, source, delta_points))
      FROM points_ledger),
  'badges', (SELECT json_object_agg(user_id || ' ' || badge_code, awarded_by) FROM earned_badges),
  'events', (SELECT json_object_agg(id, json_build_array(status, points_awarded, user_id, duplicate_of, body = ''))
      FROM kajabi_events),
  'audit', (SELECT json_agg(json_build_array(actor_id, action, target_type, target_id, n)) FROM (
      SELECT actor_id, action, target_type, target_id, count(*) AS n FROM audit_log GROUP BY 1, 2, 3, 4) grouped)
)::text
"""


async def told_by_database(connection: Connection) -> Facts:
    found = json.loads(await connection.fetchval(_FACTS))
    audit = {tuple(row[:4]): row[4] for row in found.pop("audit") or []}
    return {**{name: value or {} for name, value in found.items()}, "audit": audit}


def told_by_model(programme: Programme, ids: dict[str, str], audit: Counter[Any]) -> Facts:
    """`ids`: what the service calls a label. `audit`: changes so far, by ids."""
    return {
        "people": {one.id: _person(one) for one in programme.people.values()},
        "submissions": {
            ids[one.label]: [
                one.owner, one.stage, one.status, one.version, one.visibility, one.points, one.reviewer,
                one.peers if one.stage == "AMPLIFY" else 0, one.students if one.stage == "AMPLIFY" else 0,
            ]
            for one in programme.submissions.values()
        },
        "ledger": {
            _named(key, ids): [entry.person, entry.stage, entry.source, entry.points]
            for key, entry in programme.ledger.items()
        },
        "badges": {f"{person} {code}": by for (person, code), by in programme.earned.items()},
        "events": {
            ids[one.label]: [
                one.status, one.points, one.person, None if one.first is None else ids[one.first],
                one.forgotten or one.body == "",
            ]
            for one in programme.events.values()
        },
        "audit": dict(audit),
    }  # fmt: skip


def _person(one: Any) -> list[Any]:
    return [
        one.role, one.email, one.verified, one.shown, one.cohort, one.contact, one.erase_at is not None, one.erased,
        one.suspended,
    ]  # fmt: skip


def _named(key: str, ids: dict[str, str]) -> str:
    """`submission:<label>:approved:v1` and `adjustment:<label>` with the service's ids."""
    parts = key.split(":")
    if parts[0] in ("submission", "adjustment"):
        parts[1] = ids[parts[1]]
    return ":".join(parts)


def differences(model: Facts, database: Facts) -> list[str]:
    """Every point on which the two disagree, in words."""
    found = []
    for area in model:
        for key in model[area].keys() | database[area].keys():
            should, does = model[area].get(key, "nothing"), database[area].get(key, "nothing")
            if should != does:
                found.append(f"{area} {key}: should be {should}, is {does}")
    return sorted(found)


# As superuser, without triggers: the ledger's guard holds against everybody else.
_DATED = """
SELECT c.table_name, array_agg(c.column_name::text) AS columns, bool_or(c.data_type = 'date') AS by_day
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
  AND c.data_type IN ('timestamp with time zone', 'date')
GROUP BY c.table_name ORDER BY c.table_name
"""
FAR = 100_000


async def age(superuser: Connection, days: int) -> None:
    """Make every row older by whole days: what a clock that jumps does to rules over windows of time.

    Whole days, so that figures kept by day move with what they were made from (the programme's zone knows no summer
    time). Those figures move far away first, or one day would meet the next one's key.
    """
    async with superuser.transaction():
        await superuser.execute("SET LOCAL session_replication_role = 'replica'")
        for table, columns, by_day in await superuser.fetch(_DATED):
            for span in (days + FAR, -FAR) if by_day else (days,):
                moved = ", ".join(f'"{column}" = "{column}" - make_interval(days => {span})' for column in columns)
                await superuser.execute(f"UPDATE public.{table} SET {moved}")
