from elevate_api.ops.invariants.base import Severity, SqlInvariant


class AmplifyEarlyWarning(SqlInvariant):
    """The manual's 'AMPLIFY Quota Monitoring': more than 40 peers or 150 students is worth a look, not a fault."""

    name = "amplify_early_warning"
    title = "Nobody comes near AMPLIFY's limits in the last 7 days"
    severity = Severity.WARNING
    statement = """
        SELECT user_id, sum(peers_trained)::integer AS peers, sum(students_trained)::integer AS students
        FROM submissions
        WHERE activity_code = 'AMPLIFY' AND status IN ('PENDING', 'APPROVED') AND created_at > now() - interval '7 days'
        GROUP BY user_id HAVING sum(peers_trained) > 40 OR sum(students_trained) > 150
    """
