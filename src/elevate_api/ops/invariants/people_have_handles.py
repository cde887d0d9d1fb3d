from elevate_api.ops.invariants.base import SqlInvariant


class PeopleHaveHandles(SqlInvariant):
    """The manual's 'Users without handle'."""

    name = "people_have_handles"
    title = "Everybody has a handle"

    statement = """
        SELECT id AS user_id FROM users WHERE handle IS NULL OR handle = ''
    """
