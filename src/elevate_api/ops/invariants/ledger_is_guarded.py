from elevate_api.ops.invariants.base import SqlInvariant


class LedgerIsGuarded(SqlInvariant):
    """The triggers are there and switched on; without them the ledger is append-only by habit."""

    name = "ledger_is_guarded"
    title = "The database refuses to change ledger, adjustments and seal"

    statement = """
        SELECT wanted.name AS table_name
        FROM (VALUES ('points_ledger'), ('point_adjustments'), ('ledger_seals')) AS wanted (name)
        WHERE NOT EXISTS (
          SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass('public.' || wanted.name)
            AND t.tgname = wanted.name || '_append_only' AND t.tgenabled IN ('O', 'A'))
    """
