from elevate_api.ops.invariants.base import SqlInvariant


class StageCaps(SqlInvariant):
    """Awards as the cap counts them: everything but administrators' adjustments."""

    name = "stage_caps"
    title = "Nobody was awarded more in a stage than its cap"

    statement = """
        SELECT l.user_id, l.activity_code, sum(l.delta_points)::integer AS points, a.points_cap
        FROM points_ledger l JOIN activities a ON a.code = l.activity_code AND a.points_cap IS NOT NULL
        WHERE l.external_event_id IS NULL OR NOT starts_with(l.external_event_id, 'adjustment:')
        GROUP BY l.user_id, l.activity_code, a.points_cap HAVING sum(l.delta_points) > a.points_cap
    """
