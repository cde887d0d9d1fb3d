-- drop: DROP FUNCTION fold_totals(boolean)
-- Brings the totals up to date with what changed since the last fold; what it costs grows with the change.
-- One fold at a time: an overlapping call says 'running', or waits for its turn with `wait`. Counts everything anew
-- (rebuild_totals) when somebody asked for it, in another zone, and in another cluster or on an older state of this
-- one, where transaction ids do not continue. docs/decisions/totals.md has the argument.
-- SECURITY DEFINER: the service's role writes no total.
CREATE OR REPLACE FUNCTION fold_totals(
  wait boolean DEFAULT false,
  OUT outcome text, OUT as_of timestamptz, OUT ledger_rows bigint, OUT swept_rows bigint, OUT submission_notes bigint,
  OUT people_notes bigint, OUT seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET jit = off
SET plan_cache_mode = force_custom_plan
SET work_mem = '64MB'
AS $$
DECLARE
  turn CONSTANT bigint := hashtextextended('elevate:totals', 0);
  started CONSTANT timestamptz := clock_timestamp();
  before totals_state;
  state totals_state;
  reason text;
BEGIN
  IF wait THEN
    PERFORM pg_advisory_xact_lock(turn);
  ELSIF NOT pg_try_advisory_xact_lock(turn) THEN
    outcome := 'running';
    RETURN;
  END IF;
  as_of := clock_timestamp();
  SELECT * INTO before FROM totals_state;
  reason := totals_need_rebuild(before);
  IF reason IS NOT NULL THEN
    PERFORM rebuild_totals(reason);
    outcome := 'rebuilt';
    seconds := extract(epoch FROM clock_timestamp() - started);
    RETURN;
  END IF;

  state := before;
  state.first_day := program_today(state.timezone) - 89;
  IF state.first_day > before.first_day THEN
    DELETE FROM day_totals WHERE day < state.first_day;
  ELSE
    state.first_day := before.first_day;
  END IF;
  IF EXISTS (SELECT FROM people_changes) THEN
    state := fold_people(state);
  END IF;
  state := fold_ledger(state);
  IF EXISTS (SELECT FROM submission_changes) THEN
    state := fold_submissions(state);
  END IF;
  IF EXISTS (SELECT FROM grant_changes) THEN
    state := fold_grants(state);
  END IF;

  ledger_rows := state.ledger_folded - before.ledger_folded;
  swept_rows := state.swept - before.swept;
  submission_notes := state.submissions_folded - before.submissions_folded;
  people_notes := state.people_folded - before.people_folded;
  outcome := CASE WHEN ledger_rows + swept_rows + submission_notes + people_notes > 0
                    OR state.version_submissions > before.version_submissions
                    OR state.first_day > before.first_day THEN 'folded' ELSE 'unchanged' END;
  IF outcome = 'folded' OR as_of > before.as_of + interval '15 seconds' THEN
    UPDATE totals_state SET
      folded = state.folded, own_stamp = state.own_stamp, swept_to = state.swept_to, first_day = state.first_day,
      as_of = fold_totals.as_of, version_all = state.version_all, version_30d = state.version_30d,
      version_people = state.version_people, version_ledger = state.version_ledger,
      version_submissions = state.version_submissions, ledger_folded = state.ledger_folded, swept = state.swept,
      submissions_folded = state.submissions_folded, people_folded = state.people_folded;
  END IF;
  seconds := extract(epoch FROM clock_timestamp() - started);
END
$$
