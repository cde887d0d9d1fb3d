-- drop: DROP FUNCTION kajabi_decide(integer, text, boolean, uuid, text, integer, bigint, integer)
-- What a learn tag comes to, given where its person stands (kajabi_standing): the rules of `kajabi.rules.decide`, which
-- the forecast of a replay goes by; a property test holds one against the other. Suspended people are granted too: they
-- did complete the course.
CREATE OR REPLACE FUNCTION kajabi_decide(
  tag_points integer, person text, erased boolean, granted_event uuid, ledger_person text, ledger_points integer,
  awarded bigint, points_cap integer,
  OUT verdict text, OUT reason text, OUT points integer, OUT append boolean, OUT first uuid, OUT forget boolean
)
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  append := false;
  forget := false;
  IF granted_event IS NOT NULL THEN
    verdict := 'DUPLICATE';
    first := granted_event;
    forget := erased;
  ELSIF erased OR person IS NULL THEN
    verdict := 'IGNORED';
    reason := 'the person was erased';
    forget := true;
  ELSIF ledger_person IS NOT NULL THEN
    verdict := 'PROCESSED';
    reason := CASE WHEN ledger_person = person THEN 'the ledger had this grant already'
                   ELSE 'the ledger has this grant for somebody else' END;
    points := CASE WHEN ledger_person = person THEN coalesce(ledger_points, 0) ELSE 0 END;
  ELSE
    verdict := 'PROCESSED';
    points := CASE WHEN points_cap IS NULL THEN tag_points ELSE least(tag_points, greatest(0, points_cap - awarded)) END;
    append := points > 0;
    reason := CASE WHEN points = 0 THEN 'nothing was left under the cap' END;
  END IF;
END
$$
