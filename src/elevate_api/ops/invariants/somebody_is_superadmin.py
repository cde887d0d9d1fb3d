from elevate_api.ops.invariants.base import Severity, SqlInvariant


class SomebodyIsSuperadmin(SqlInvariant):
    """The database keeps the last one; there is none before the first was seeded."""

    name = "somebody_is_superadmin"
    title = "There is a SUPERADMIN"
    severity = Severity.WARNING
    statement = """
        SELECT count(*) AS people FROM users
        HAVING count(*) > 0 AND count(*) FILTER (WHERE role = 'SUPERADMIN' AND erased_at IS NULL) = 0
    """
