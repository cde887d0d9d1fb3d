from elevate_api.ops.invariants.base import SqlInvariant


class SuperadminCanSignIn(SqlInvariant):
    """When Clerk deletes the last SUPERADMIN they are suspended, not erased, and somebody has to hear of it
    (shared/domain.md, "Roles"): until another is named nobody can grant a role.
    """

    name = "superadmin_can_sign_in"
    title = "A SUPERADMIN can sign in"
    statement = """
        SELECT min(id) AS user_id FROM users WHERE role = 'SUPERADMIN' AND erased_at IS NULL
        HAVING count(*) > 0 AND count(*) FILTER (WHERE suspended_at IS NULL) = 0
    """
