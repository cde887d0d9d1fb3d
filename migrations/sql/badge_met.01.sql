-- drop: DROP FUNCTION badge_met(jsonb, jsonb, jsonb)
-- The badge rule engine (the forms are told in `badges.criteria`, which checks what is stored): do these points and
-- approvals, by stage, meet the criteria? Never an error: criteria that somebody broke by hand are met by nobody, as
-- one bad badge must not stop an approval. A property test holds it against `badges.criteria.is_met`.
CREATE OR REPLACE FUNCTION badge_met(criteria jsonb, points jsonb, approvals jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  kind CONSTANT text := criteria ->> 'type';
  stage CONSTANT text := criteria ->> 'activity';
  facts CONSTANT jsonb := CASE kind WHEN 'points' THEN points WHEN 'approvals' THEN approvals END;
  least numeric;
  part jsonb;
BEGIN
  IF facts IS NOT NULL THEN
    IF jsonb_typeof(criteria -> 'atLeast') IS DISTINCT FROM 'number' AND (kind = 'points' OR criteria ? 'atLeast') THEN
      RETURN false;
    END IF;
    least := coalesce((criteria ->> 'atLeast')::numeric, 1);
    IF stage IS NOT NULL THEN -- an expression and no query: most criteria name a stage
      RETURN coalesce((facts ->> stage)::numeric, 0) >= least;
    END IF;
    RETURN (SELECT coalesce(sum(value::numeric), 0) FROM jsonb_each_text(facts)) >= least;
  END IF;
  IF kind IS NULL OR kind NOT IN ('any', 'all') OR jsonb_typeof(criteria -> 'of') IS DISTINCT FROM 'array' THEN
    RETURN false;
  END IF;
  FOR part IN SELECT value FROM jsonb_array_elements(criteria -> 'of') LOOP
    IF public.badge_met(part, points, approvals) = (kind = 'any') THEN
      RETURN kind = 'any';
    END IF;
  END LOOP;
  RETURN kind = 'all' AND jsonb_array_length(criteria -> 'of') > 0;
END
$$
