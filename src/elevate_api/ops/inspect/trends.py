"""How the programme goes: the manual's 'Activity trends' and 'Review queue size'."""

from elevate_api.ops.inspect.base import Look

HOURS = Look(
    "trends",
    "Submissions and approvals of the last 24 hours by hour, and what waits for review by stage.",
    ("hour", "submissions", "approvals"),
    """
    SELECT h.hour, count(s.id) AS submissions, count(s.id) FILTER (WHERE s.status = 'APPROVED') AS approvals
    FROM generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour')
         AS h (hour)
    LEFT JOIN submissions s ON s.created_at >= h.hour AND s.created_at < h.hour + interval '1 hour'
    GROUP BY h.hour ORDER BY h.hour
    """,
)

QUEUE = Look(
    "queue",
    "What waits for review, by stage.",
    ("activity_code", "pending", "oldest_pending"),
    """
    SELECT activity_code, count(*) AS pending, min(created_at) AS oldest_pending
    FROM submissions WHERE status = 'PENDING' GROUP BY activity_code ORDER BY activity_code
    """,
)

QUOTA = Look(
    "quota",
    "Who is near or over AMPLIFY's limits: PENDING and APPROVED claims of the last 7 days, the fullest first.",
    ("user_id", "handle", "peers", "students", "peer_limit", "student_limit"),
    """
    SELECT u.id AS user_id, u.handle, sum(s.peers_trained)::integer AS peers,
           sum(s.students_trained)::integer AS students,
           app_limit('amplify_peer_limit', 50) AS peer_limit, app_limit('amplify_student_limit', 200) AS student_limit
    FROM submissions s JOIN users u ON u.id = s.user_id
    WHERE s.activity_code = 'AMPLIFY' AND s.status IN ('PENDING', 'APPROVED')
      AND s.created_at > now() - interval '7 days'
    GROUP BY u.id HAVING sum(s.peers_trained) > :peers OR sum(s.students_trained) > :students
    ORDER BY greatest(sum(s.peers_trained) / 50.0, sum(s.students_trained) / 200.0) DESC, u.id LIMIT 500
    """,
    {"peers": 40, "students": 150},
)
