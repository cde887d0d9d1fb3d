from elevate_api.ops.invariants.base import SqlInvariant


class EventsAreUnique(SqlInvariant):
    """The manual's 'External Event Deduplication'."""

    name = "events_are_unique"
    title = "No event was awarded twice"

    statement = """
        SELECT external_event_id, count(*) AS rows FROM points_ledger
        WHERE external_event_id IS NOT NULL GROUP BY external_event_id HAVING count(*) > 1
    """
