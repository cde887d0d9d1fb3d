from elevate_api.ops.invariants.base import SqlInvariant


class OneActiveLearn(SqlInvariant):
    """The manual's 'LEARN Constraint Validation'; a partial unique index keeps it while it is there."""

    name = "one_active_learn"
    title = "One active LEARN submission a person"

    statement = """
        SELECT user_id, count(*) AS active FROM submissions
        WHERE activity_code = 'LEARN' AND status IN ('PENDING', 'APPROVED') GROUP BY user_id HAVING count(*) > 1
    """
