-- drop: DROP FUNCTION rebuild_totals(text)
-- Counts everything anew, as of one moment for the ledger and one for the submissions, beside readers and writers; the
-- new table takes the old one's place in a short lock. Equals what folding comes to, row by row. Answers the people
-- counted.
-- Ledger: rows never change, so "visible in a snapshot" can be asked of any later statement, by their stamps.
-- Submissions: they are read by one statement, which says its snapshot; notes that this one saw are in it already.
-- In another cluster transaction ids may start again below the old ones: everything that is there gets behind a new
-- base, while writers wait.
CREATE OR REPLACE FUNCTION rebuild_totals(reason text DEFAULT 'asked for') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET jit = off
SET plan_cache_mode = force_custom_plan
SET work_mem = '128MB'
SET maintenance_work_mem = '256MB'
SET max_parallel_workers_per_gather = 2
SET max_parallel_maintenance_workers = 2
SET parallel_tuple_cost = 0.01
AS $$
DECLARE
  old totals_state;
  state totals_state;
  mine bigint;
  seen pg_snapshot;
  is_foreign boolean;
  first_at timestamptz;
  counted text;
  people bigint;
  -- Of the clock: a database that was set back must not come by the versions of its lost future once more.
  version CONSTANT bigint := extract(epoch FROM clock_timestamp());
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('elevate:totals', 0));
  SELECT * INTO old FROM totals_state;
  is_foreign := old.folded IS NULL OR totals_are_foreign(old);
  state.as_of := clock_timestamp();
  state.base := coalesce(old.base, 0);
  IF is_foreign THEN
    LOCK TABLE users, submissions, kajabi_events, points_ledger IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM submission_changes;
    DELETE FROM grant_changes;
    state.base := greatest(state.base, (SELECT max(stamp) FROM points_ledger));
  END IF;
  DELETE FROM rebuild_requests;
  state.timezone := usable_timezone(coalesce(old.timezone, 'Asia/Jakarta'));
  state.first_day := program_today(state.timezone) - 89;
  state.swept_to := now() - interval '720 hours';
  first_at := state.first_day::timestamp AT TIME ZONE state.timezone;
  SELECT pg_current_snapshot()::text, state.base + pg_current_xact_id_if_assigned()::text::bigint,
         (SELECT oid FROM pg_database WHERE datname = current_database()), (SELECT c.system_identifier FROM pg_control_system() c)
  INTO state.folded, mine, state.database_oid, state.system_identifier;
  counted := format('(stamp < %s AND stamp <> ALL (%L::bigint[]) OR stamp = %s)',
    state.base + pg_snapshot_xmax(state.folded::pg_snapshot)::text::bigint,
    ARRAY(SELECT state.base + xid::text::bigint FROM pg_snapshot_xip(state.folded::pg_snapshot) AS xid), coalesce(mine, -1));
  state.own_stamp := mine;
  SELECT coalesce(max(cmin::text::bigint), -1) INTO state.own_command FROM points_ledger WHERE stamp = mine;

  DROP TABLE IF EXISTS pg_temp.rebuilt_points, pg_temp.rebuilt_days, pg_temp.rebuilt_submissions;
  EXECUTE format($query$
    CREATE TEMP TABLE rebuilt_points ON COMMIT DROP AS
    SELECT user_id, sum(delta_points)::bigint AS points, count(*) AS entries, max(created_at) AS reached_at,
           sum(delta_points) FILTER (WHERE created_at > %1$L) AS points_30d,
           count(*) FILTER (WHERE created_at > %1$L) AS entries_30d,
           sum(delta_points) FILTER (WHERE activity_code = 'LEARN') AS learn,
           sum(delta_points) FILTER (WHERE activity_code = 'EXPLORE') AS explore,
           sum(delta_points) FILTER (WHERE activity_code = 'AMPLIFY') AS amplify,
           sum(delta_points) FILTER (WHERE activity_code = 'PRESENT') AS present,
           sum(delta_points) FILTER (WHERE activity_code = 'SHINE') AS shine,
           count(*) FILTER (WHERE activity_code = 'LEARN') AS in_learn,
           count(*) FILTER (WHERE activity_code = 'EXPLORE') AS in_explore,
           count(*) FILTER (WHERE activity_code = 'AMPLIFY') AS in_amplify,
           count(*) FILTER (WHERE activity_code = 'PRESENT') AS in_present
    FROM points_ledger WHERE %2$s GROUP BY user_id
  $query$, state.swept_to, counted);
  EXECUTE format($query$
    CREATE TEMP TABLE rebuilt_days ON COMMIT DROP AS
    SELECT activity_code, (created_at AT TIME ZONE %2$L)::date AS day, sum(delta_points)::bigint AS points,
           count(*) AS entries
    FROM points_ledger WHERE created_at >= %1$L AND %3$s GROUP BY 1, 2
  $query$, first_at, state.timezone, counted);
  -- What kind of row: of a person, of a stage, of a day it was made or reviewed on, of the people of a day; and the
  -- snapshot of all of them.
  EXECUTE format($query$
    CREATE TEMP TABLE rebuilt_submissions ON COMMIT DROP AS
    SELECT 'person' AS kind, user_id, NULL AS activity_code, NULL AS status, NULL::date AS day,
           count(*) AS submissions, count(*) FILTER (WHERE status = 'APPROVED') AS approved,
           count(*) FILTER (WHERE status = 'PENDING') AS pending,
           bit_or(CASE activity_code WHEN 'LEARN' THEN 1 WHEN 'EXPLORE' THEN 2 WHEN 'AMPLIFY' THEN 4
                  WHEN 'PRESENT' THEN 8 ELSE 16 END) AS stages,
           NULL::bigint AS peers, NULL::bigint AS students, NULL::bigint AS reviews, NULL::interval AS waited,
           NULL::pg_snapshot AS snapshot
    FROM submissions GROUP BY user_id
    UNION ALL
    SELECT 'stage', NULL, activity_code, status, NULL, count(*), NULL, NULL, NULL, sum(peers_trained),
           sum(students_trained), count(reviewed_at), sum(reviewed_at - created_at), NULL
    FROM submissions GROUP BY 3, 4
    UNION ALL
    SELECT 'made', NULL, activity_code, NULL, (created_at AT TIME ZONE %2$L)::date, count(*), NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL
    FROM submissions WHERE created_at >= %1$L GROUP BY 3, 5
    UNION ALL
    SELECT 'reviewed', NULL, activity_code, status, (reviewed_at AT TIME ZONE %2$L)::date, count(*), NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL
    FROM submissions WHERE reviewed_at >= %1$L GROUP BY 3, 4, 5
    UNION ALL
    SELECT 'people', NULL, activity_code, NULL, day, count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (SELECT DISTINCT activity_code, (created_at AT TIME ZONE %2$L)::date AS day, user_id
          FROM submissions WHERE created_at >= %1$L) each_once GROUP BY 3, 5
    UNION ALL
    SELECT 'snapshot', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, pg_current_snapshot()
  $query$, first_at, state.timezone);
  ANALYZE rebuilt_points (user_id);
  ANALYZE rebuilt_submissions (kind, user_id);
  SELECT snapshot INTO seen FROM rebuilt_submissions WHERE kind = 'snapshot';
  DELETE FROM submission_changes
  WHERE pg_visible_in_snapshot(stamp::text::xid8, seen) OR stamp = pg_current_xact_id_if_assigned()::text::bigint;

  PERFORM user_totals_table('user_totals_fresh');
  INSERT INTO user_totals_fresh (user_id, on_board, cohort, school, total_points, entries, reached_at, points_30d,
    entries_30d, learn_points, explore_points, amplify_points, present_points, shine_points, submissions, approved,
    pending, stages_submitted)
  SELECT u.id, u.role = 'PARTICIPANT' AND u.erased_at IS NULL AND u.show_on_leaderboard, u.cohort, u.school,
         coalesce(l.points, 0), coalesce(l.entries, 0), l.reached_at, coalesce(l.points_30d, 0),
         coalesce(l.entries_30d, 0), coalesce(l.learn, 0), coalesce(l.explore, 0), coalesce(l.amplify, 0),
         coalesce(l.present, 0), coalesce(l.shine, 0), coalesce(s.submissions, 0), coalesce(s.approved, 0),
         coalesce(s.pending, 0), coalesce(s.stages, 0)
  FROM users u
  LEFT JOIN rebuilt_points l ON l.user_id = u.id
  LEFT JOIN (SELECT * FROM rebuilt_submissions WHERE kind = 'person') s ON s.user_id = u.id
  WHERE l.user_id IS NOT NULL OR s.user_id IS NOT NULL;
  GET DIAGNOSTICS people = ROW_COUNT;
  PERFORM user_totals_indexes('user_totals_fresh');
  ANALYZE user_totals_fresh (user_id, on_board, cohort, school, total_points, points_30d, reached_at);

  DELETE FROM score_histogram;
  INSERT INTO score_histogram (period, points, people)
  SELECT 'all', total_points, count(*) FROM user_totals_fresh WHERE on_board AND total_points > 0 GROUP BY total_points
  UNION ALL
  SELECT '30d', points_30d, count(*) FROM user_totals_fresh WHERE on_board AND points_30d > 0 GROUP BY points_30d;
  PERFORM rebuild_stages();
  PERFORM rebuild_days(state.first_day);
  PERFORM put_user_totals();

  IF is_foreign THEN
    EXECUTE format('ALTER TABLE points_ledger ALTER COLUMN stamp SET DEFAULT (%s + pg_current_xact_id()::text::bigint)',
                   state.base);
  END IF;
  DELETE FROM totals_state;
  INSERT INTO totals_state (folded, base, own_stamp, own_command, system_identifier, database_oid, timezone, first_day,
    swept_to, as_of, version_all, version_30d, version_people, version_ledger, version_submissions, ledger_folded, swept,
    submissions_folded, people_folded, rebuilt_at, rebuilt_because)
  VALUES (state.folded, state.base, state.own_stamp, state.own_command, state.system_identifier, state.database_oid,
    state.timezone, state.first_day, state.swept_to, state.as_of, greatest(old.version_all + 1, version),
    greatest(old.version_30d + 1, version), greatest(old.version_people + 1, version),
    greatest(old.version_ledger + 1, version), greatest(old.version_submissions + 1, version), coalesce(old.ledger_folded, 0), coalesce(old.swept, 0),
    coalesce(old.submissions_folded, 0), coalesce(old.people_folded, 0), clock_timestamp(), reason);
  RETURN people;
END
$$
