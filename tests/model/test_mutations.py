"""The model finds what is broken: one rule at a time, in a database of its own, and the random play must notice.

`scripts/test` breaks some of them, others every day; `scripts/test --all` breaks all.
"""

import os
import time
from random import Random

import pytest
from tests.model.runs import Prepare, episode
from tests.support.cluster import Administrator
from tests.support.sql import Connection

ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
STEPS = 2000
A_DAY = 3


def function(name: str, old: str, new: str) -> Prepare:
    """The function with `old` replaced; both overloads and versions are found by name."""

    async def prepare(superuser: Connection) -> None:
        bodies = await superuser.fetch("SELECT pg_get_functiondef(oid) AS body FROM pg_proc WHERE proname = $1", name)
        changed = [row["body"].replace(old, new) for row in bodies if old in row["body"]]
        assert changed, f"{name} says nothing of {old!r} any more"
        for body in changed:
            await superuser.execute(body)

    return prepare


def statement(sql: str) -> Prepare:
    async def prepare(superuser: Connection) -> None:
        await superuser.execute(sql)

    return prepare


FORGETFUL_BADGES = """
CREATE FUNCTION take_badges() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  DELETE FROM public.earned_badges WHERE user_id = NEW.user_id;
  RETURN NULL;
END $$;
CREATE TRIGGER take_badges AFTER UPDATE ON submissions FOR EACH ROW WHEN (NEW.status = 'REVOKED')
  EXECUTE FUNCTION take_badges();
"""
TWO_ROWS = """
CREATE FUNCTION tell_twice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO public.points_ledger (user_id, activity_code, source, delta_points, external_event_id)
  VALUES (NEW.user_id, NEW.activity_code, NEW.source, NEW.delta_points, NEW.external_event_id || '!');
  RETURN NULL;
END $$;
CREATE TRIGGER tell_twice AFTER INSERT ON points_ledger FOR EACH ROW
  WHEN (NEW.source = 'MANUAL' AND NEW.external_event_id NOT LIKE '%!') EXECUTE FUNCTION tell_twice();
"""
EARLY = """
CREATE FUNCTION come_early() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.reached_at := '2020-01-01';
  RETURN NEW;
END $$;
CREATE TRIGGER come_early BEFORE INSERT OR UPDATE ON user_totals_rows FOR EACH ROW EXECUTE FUNCTION come_early();
"""

MUTATIONS: dict[str, Prepare] = {
    "the quota's week has six days": function("judge_amplify_quota", "'7 days'", "'6 days'"),
    "the quota forgets approvals": function("judge_amplify_quota", "IN ('PENDING', 'APPROVED')", "IN ('PENDING')"),
    "awards go beyond the cap": function("award_of", "least(points, room)", "points"),
    "reviewers go beyond the cap": function("award_of", "least(highest, room)", "highest"),
    "explore is awarded twice": function("award_of", "IN ('EXPLORE', 'PRESENT')", "IN ('PRESENT')"),
    "the margin is rounded down": function("award_of", "ceil(", "floor("),
    "retired badges are granted": function("grant_badges_of", "b.active AND", "true AND"),
    "kajabi goes beyond the cap": function("kajabi_decide", "points_cap - awarded", "points_cap"),
    "an edit raises no version": function("submissions_before_update", "OLD.version + edited::integer", "OLD.version"),
    "eleven an hour": function("submissions_before_insert", ">= hourly_limit", "> hourly_limit"),
    "the erased keep their contact": function("erase_user", "kajabi_contact_id = NULL, ", ""),
    "the erased keep what waits": function("erase_user", "WHEN 'PENDING' THEN 'WITHDRAWN'", "WHEN '' THEN ''"),
    "no audit row": function("submit_evidence", "'submission.create'", "'submission.made'"),
    "claims hold nobody off": function("judge_decision", "c.reviewer_id <> reviewer", "false"),
    "a certificate serves two": statement("DROP INDEX submissions_certificate_hash_key"),
    "two of LEARN are active": statement("DROP INDEX submissions_one_active_learn"),
    "a revocation takes badges": statement(FORGETFUL_BADGES),
    "an adjustment counts twice": statement(TWO_ROWS),
    "ties stand in the order of ids": statement(EARLY),
}


def chosen() -> list[str]:
    day = int(time.time() // 86_400)
    if ALL:
        return list(MUTATIONS)
    return Random(day).sample(list(MUTATIONS), A_DAY)  # noqa: S311 - which ones


@pytest.mark.parametrize("name", chosen())
async def test_a_broken_rule_is_found(administrator: Administrator, name: str) -> None:
    with pytest.raises(AssertionError, match="seed"):
        await episode(administrator, f"broken: {name}", STEPS, prepare=MUTATIONS[name], shrink_seconds=0)
