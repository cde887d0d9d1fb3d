"""Which errors of the database are events of a rule, and what may be told about them."""

import re
from typing import Any

from elevate_api.alerts.rules import Name
from elevate_api.kit.problems import DatabaseError

FOREIGN_KEY = frozenset({"23503", "23001"})  # foreign_key_violation; restrict_violation (ON DELETE RESTRICT)
TRIGGER = re.compile(r"PL/pgSQL function (?:public\.)?(?:submissions_before_\w+|judge_amplify_quota)\(")
"""The first functions of the trigger in an error's context, as PostgreSQL writes it."""
CHECK_VIOLATION = "23514"
OUTSIDE = ("08", "40", "53", "57", "55P03")
"""What befalls any statement: lost connections, deadlocks, resources, operators, lock timeouts. Not the trigger's."""


def rule_of(error: DatabaseError) -> Name | None:
    """The event rule that `error` belongs to, if any.

    The trigger refuses by raising check_violation with the name of a rule. Anything else raised inside it is its
    failure: a missing function or table, a division by zero, a plain RAISE.
    """
    state = error.sqlstate or ""
    if TRIGGER.search(error.context or "") is not None:
        refusal = state == CHECK_VIOLATION and error.constraint is not None
        return None if refusal or state.startswith(OUTSIDE) else Name.AMPLIFY_QUOTA_TRIGGER_ERROR
    return Name.FOREIGN_KEY_VIOLATION if state in FOREIGN_KEY else None


def evidence_of(error: DatabaseError) -> dict[str, Any]:
    """Names only: message and detail of an error quote values, which may be personal."""
    return {"sqlstate": error.sqlstate, "constraint": error.constraint, "table": error.table}
