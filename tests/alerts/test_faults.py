"""Which errors are events: the trigger's failures and not its refusals, foreign keys wherever they are."""

import pytest

from elevate_api.alerts.faults import evidence_of, rule_of
from elevate_api.alerts.rules import Name
from elevate_api.kit.problems import DatabaseError

QUOTA = (
    "PL/pgSQL function public.judge_amplify_quota(text,uuid,timestamp with time zone,integer,integer,boolean) line 47 "
    'at RAISE\\nSQL statement "SELECT ..."\\nPL/pgSQL function submissions_before_insert() line 40 at PERFORM'
)
INSIDE = "PL/pgSQL function submissions_before_insert() line 4 during statement block local variable initialization"
ELSEWHERE = "PL/pgSQL function keep_one_superadmin() line 4 at RAISE"


def error(sqlstate: str | None, constraint: str | None = None, context: str | None = None) -> DatabaseError:
    return DatabaseError(constraint, sqlstate, "Key (email)=(a@b.test)", "a@b.test", "submissions", context)


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (error("23514", "submissions_amplify_quota", QUOTA), None),
        (error("23514", "submissions_hourly_limit", INSIDE), None),
        (error("P0001", None, QUOTA), Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
        (error("42883", None, INSIDE), Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
        (error("22012", None, QUOTA), Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
        (error("23514", None, INSIDE), Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
        (error("25000", None, INSIDE), Name.AMPLIFY_QUOTA_TRIGGER_ERROR),
        (error("40P01", None, INSIDE), None),
        (error("57014", None, INSIDE), None),
        (error("55P03", None, INSIDE), None),
        (error("P0001", None, ELSEWHERE), None),
        (error("P0001", None, None), None),
        (error("23503", "points_ledger_user_id_fkey"), Name.FOREIGN_KEY_VIOLATION),
        (error("23001", "points_ledger_user_id_fkey"), Name.FOREIGN_KEY_VIOLATION),
        (error("23505", "users_handle_key"), None),
        (error(None), None),
    ],
)
def test_an_error_belongs_to_its_rule(found: DatabaseError, rule: Name | None) -> None:
    assert rule_of(found) is rule


def test_evidence_names_no_values() -> None:
    assert "a@b.test" not in repr(evidence_of(error("23503", "points_ledger_user_id_fkey")))
