-- drop: DROP FUNCTION award_of(activities, bigint, boolean, integer, integer)
-- What an approval is worth, and between what a reviewer may move it (shared/domain.md, "Stages and points"): the same
-- arithmetic as `points.rules.compute_award`, whose words these are; a property test holds one against the other.
CREATE OR REPLACE FUNCTION award_of(
  stage activities, awarded bigint, has_awarded_approval boolean, peers integer, students integer,
  OUT points integer, OUT lowest integer, OUT highest integer
)
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  room CONSTANT bigint := greatest(0, stage.points_cap - awarded); -- greatest ignores a NULL
  margin integer;
BEGIN
  points := CASE WHEN stage.code IN ('EXPLORE', 'PRESENT') AND has_awarded_approval THEN 0
    ELSE stage.default_points + stage.per_peer_points * peers + stage.per_student_points * students END;
  IF stage.points_cap IS NOT NULL THEN
    points := least(points, room);
  END IF;
  margin := ceil(points * 20 / 100.0); -- ADJUSTMENT_PERCENT, rounded up
  lowest := greatest(0, points - margin);
  highest := points + margin;
  IF stage.points_cap IS NOT NULL THEN
    highest := least(highest, room);
  END IF;
END
$$
