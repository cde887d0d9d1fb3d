-- What people sent in, oldest first. Half of what would come shortly before the 25th of a month comes on that day.
CREATE UNLOGGED TABLE bench_event AS
SELECT bench_uuid(at) AS id, n, at, stage, status, peers, students, points,
       at + interval '30 minutes' + interval '36 hours' * power(patience, 3) AS reviewed_at
FROM (
  SELECT n, at, stage, peers, students, random() AS patience,
         CASE WHEN at > now() - interval '2 days' OR (at > now() - interval '10 days' AND luck < 0.15) THEN 'PENDING'
              WHEN status IS NOT NULL THEN status
              WHEN luck < 0.04 THEN 'REJECTED' WHEN luck < 0.055 THEN 'WITHDRAWN' WHEN luck < 0.065 THEN 'REVOKED'
              ELSE 'APPROVED' END AS status,
         CASE stage WHEN 'LEARN' THEN 20 WHEN 'EXPLORE' THEN 50 WHEN 'PRESENT' THEN 20 WHEN 'SHINE' THEN 0
                    ELSE 2 * peers + students END AS points
  FROM (
    SELECT n, stage, status, peers, students, random() AS luck,
           CASE WHEN extract(day FROM at) BETWEEN 19 AND 24 AND random() < 0.5
                THEN date_trunc('month', at) + interval '24 days' + interval '18 hours' * power(random(), 2) ELSE at END AS at
    FROM (
      SELECT n, 'AMPLIFY' AS stage, NULL AS status, 1 + floor(11 * power(random(), 3))::integer AS peers,
             floor(45 * power(random(), 2))::integer AS students,
             joined + (now() - joined) * ((number - 1 + random()) / sessions) AS at
      FROM bench_person, generate_series(1, sessions) AS number
      UNION ALL
      SELECT n, 'LEARN', CASE WHEN random() < 0.97 THEN 'APPROVED' ELSE 'REJECTED' END, 0, 0,
             joined + interval '20 days' * random()
      FROM bench_person WHERE n > :staff AND NOT by_kajabi AND random() < 0.88
      UNION ALL
      SELECT n, 'EXPLORE', 'APPROVED', 0, 0, joined + interval '1 day' * (10 + 60 * random())
      FROM bench_person WHERE n > :staff AND random() < 0.68
      UNION ALL
      SELECT n, 'EXPLORE', 'REJECTED', 0, 0, joined + interval '10 days' * random()
      FROM bench_person WHERE n > :staff AND random() < 0.1
      UNION ALL
      SELECT n, 'PRESENT', 'APPROVED', 0, 0, joined + interval '1 day' * (30 + 90 * random())
      FROM bench_person WHERE n > :staff AND random() < 0.48
      UNION ALL
      SELECT n, 'SHINE', 'APPROVED', 0, 0, joined + interval '1 day' * (60 + 90 * random())
      FROM bench_person WHERE n > :staff AND random() < 0.06
    ) planned
  ) moved
  WHERE at < now() - interval '5 minutes'
) happened
ORDER BY at
--;
ANALYZE bench_event
--;
ANALYZE bench_person
