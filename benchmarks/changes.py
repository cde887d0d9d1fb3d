"""What happens in the programme meanwhile: valid changes, each with its cause, made in many transactions."""

from benchmarks.lab import BenchDatabase, Lab

_TRANSACTIONS = 200
_SOMEBODY = (
    "'user_2' || substr(md5('person' || ({staff} + 1 + floor(random() * ({people} - {staff}))::integer)), 1, 26)"
)

# An adjustment and its ledger row, for as many different people as there are to be.
_POINTS = """
DO $$ BEGIN
  FOR number IN 1..{transactions} LOOP
    WITH chosen AS (
      SELECT DISTINCT {somebody} AS id FROM generate_series(1, {each})
    ), cause AS (
      INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by)
      SELECT id, 'AMPLIFY', 1 + floor(random() * 30)::integer, 'Counted again.', '{admin}' FROM chosen
      RETURNING id, user_id, activity_code, delta_points
    )
    INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
    SELECT user_id, activity_code, 'MANUAL', delta_points, 'adjustment:' || id FROM cause;
    COMMIT;
  END LOOP;
END $$
"""
_SUBMISSIONS = """
INSERT INTO submissions (user_id, activity_code, payload)
SELECT DISTINCT ON (id) id, 'SHINE', '{{"ideaTitle": "An idea", "ideaSummary": "More of it."}}'::jsonb
FROM (SELECT {somebody} AS id FROM generate_series(1, {each})) chosen
"""
_PEOPLE = """
UPDATE users u SET cohort = CASE u.cohort WHEN '2025-Q1' THEN '2025-Q2' ELSE '2025-Q1' END, school = 'SMA 1'
FROM (SELECT DISTINCT {somebody} AS id FROM generate_series(1, {each})) chosen WHERE u.id = chosen.id
"""


def points(lab: Lab, database: BenchDatabase, people: int) -> None:
    """Ledger rows for about so many educators, in up to 200 transactions."""
    transactions = max(1, min(_TRANSACTIONS, people))
    values = _values(lab, -(-people // transactions))
    database.owner.execute(_POINTS.format(transactions=transactions, admin=lab.dataset.person(1), **values))


def everything(lab: Lab, database: BenchDatabase, people: int) -> None:
    """What every one of the six views depends on: points, submissions, cohorts and schools."""
    points(lab, database, people)
    for statement in (_SUBMISSIONS, _PEOPLE):
        database.owner.execute(statement.format(**_values(lab, max(1, people // 5))))


def _values(lab: Lab, each: int) -> dict[str, object]:
    known = {"staff": lab.dataset.staff(lab.scale), "people": lab.scale.people}
    return {"each": each, "somebody": _SOMEBODY.format(**known)}
