from elevate_api.ops.invariants.base import SqlInvariant


class SubmissionsHavePeople(SqlInvariant):
    """The manual's 'Submissions without user'; a foreign key keeps it unless a superuser worked around it."""

    name = "submissions_have_people"
    title = "Every submission belongs to somebody"

    statement = """
        SELECT s.id AS submission_id, s.user_id FROM submissions s LEFT JOIN users u ON u.id = s.user_id
        WHERE u.id IS NULL
    """
