from elevate_api.ops.invariants.base import SqlInvariant


class AmplifyQuota(SqlInvariant):
    """The trigger's rule once more, over every window of everybody (shared/domain.md: 50 peers, 200 students)."""

    name = "amplify_quota"
    title = "Nobody claims more than AMPLIFY's limits in any 7 days"

    statement = """
        SELECT user_id, at, peers, students FROM (
          SELECT user_id, created_at AS at,
                 sum(peers_trained) OVER week AS peers, sum(students_trained) OVER week AS students
          FROM submissions WHERE activity_code = 'AMPLIFY' AND status IN ('PENDING', 'APPROVED')
          WINDOW week AS (PARTITION BY user_id ORDER BY created_at
                          RANGE BETWEEN interval '7 days' - interval '1 microsecond' PRECEDING AND CURRENT ROW)
        ) windows
        WHERE peers > app_limit('amplify_peer_limit', 50) OR students > app_limit('amplify_student_limit', 200)
    """
