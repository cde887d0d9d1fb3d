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
SET work_mem = '160MB'
SET maintenance_work_mem = '256MB'
SET max_parallel_workers_per_gather = 1
SET max_parallel_maintenance_workers = 1
SET parallel_tuple_cost = 0.01
SET default_statistics_target = 30
AS $$
DECLARE
  old totals_state;
  state totals_state;
  seen pg_snapshot;
  is_foreign boolean;
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
  SELECT pg_current_snapshot()::text, state.base + pg_current_xact_id_if_assigned()::text::bigint,
         (SELECT c.system_identifier FROM pg_control_system() c)
  INTO state.folded, state.own_stamp, state.system_identifier;
  -- What this transaction itself has written is left to a fold after its end (fold_ledger).
  counted := format('(stamp < %s AND stamp <> ALL (%L::bigint[]))',
    state.base + pg_snapshot_xmax(state.folded::pg_snapshot)::text::bigint,
    array_remove(state.own_stamp || ARRAY(
      SELECT state.base + xid::text::bigint FROM pg_snapshot_xip(state.folded::pg_snapshot) AS xid), NULL));

  PERFORM rebuild_submissions(state.first_day, state.timezone);
  PERFORM rebuild_ledger(state.first_day, state.timezone, counted);
  people := rebuild_people(state.swept_to, counted);
  DELETE FROM score_histogram;
  INSERT INTO score_histogram (period, points, people)
  SELECT 'all', total_points, count(*) FROM user_totals_fresh WHERE on_board AND total_points > 0 GROUP BY total_points
  UNION ALL
  SELECT '30d', points_30d, count(*) FROM user_totals_fresh WHERE on_board AND points_30d > 0 GROUP BY points_30d;
  PERFORM rebuild_stages();
  PERFORM rebuild_days(state.first_day);
  PERFORM user_totals_indexes('user_totals_fresh');
  ANALYZE user_totals_fresh (user_id, on_board, cohort, school, total_points, points_30d, reached_at);
  PERFORM put_user_totals();

  IF is_foreign THEN
    EXECUTE format('ALTER TABLE points_ledger ALTER COLUMN stamp SET DEFAULT (%s + pg_current_xact_id()::text::bigint)',
                   state.base);
  END IF;
  DELETE FROM totals_state;
  INSERT INTO totals_state (folded, base, own_stamp, system_identifier, timezone, first_day,
    swept_to, as_of, version_all, version_30d, version_people, version_ledger, version_submissions, ledger_folded, swept,
    submissions_folded, people_folded, rebuilt_at, rebuilt_because)
  VALUES (state.folded, state.base, state.own_stamp, state.system_identifier, state.timezone, state.first_day, state.swept_to, state.as_of, greatest(old.version_all + 1, version),
    greatest(old.version_30d + 1, version), greatest(old.version_people + 1, version),
    greatest(old.version_ledger + 1, version), greatest(old.version_submissions + 1, version), coalesce(old.ledger_folded, 0), coalesce(old.swept, 0),
    coalesce(old.submissions_folded, 0), coalesce(old.people_folded, 0), clock_timestamp(), reason);
  RETURN people;
END
$$
