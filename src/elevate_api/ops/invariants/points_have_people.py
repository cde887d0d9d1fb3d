from elevate_api.ops.invariants.base import SqlInvariant


class PointsHavePeople(SqlInvariant):
    """The manual's 'Points without user'."""

    name = "points_have_people"
    title = "Every ledger row belongs to somebody"

    statement = """
        SELECT l.id AS ledger_id, l.user_id FROM points_ledger l LEFT JOIN users u ON u.id = l.user_id
        WHERE u.id IS NULL
    """
