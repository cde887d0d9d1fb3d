"""What goes on beside readers: ``python -m benchmarks.background``, a job as JSON on stdin, until it is ended.

Points arrive ten times a second, a fold runs every second, and all six views are refreshed again and again.
"""

import asyncio
import json
import sys
from typing import Any

import asyncpg

_EVERY = 0.1
_ADJUST = """
WITH chosen AS (
  SELECT id FROM users WHERE id >= 'user_2' || md5(random()::text) AND role = 'PARTICIPANT' ORDER BY id LIMIT 10
), cause AS (
  INSERT INTO point_adjustments (user_id, activity_code, delta_points, reason, created_by)
  SELECT id, 'AMPLIFY', 5, 'Counted again.', $1 FROM chosen RETURNING id, user_id, activity_code, delta_points
)
INSERT INTO points_ledger (user_id, activity_code, source, delta_points, external_event_id)
SELECT user_id, activity_code, 'MANUAL', delta_points, 'adjustment:' || id FROM cause
"""


async def main(job: dict[str, Any]) -> None:
    print("under way", flush=True)
    await asyncio.gather(
        _repeat(job["dsn"], _EVERY, _ADJUST, job["admin"]),
        _repeat(job["dsn"], 1.0, "SELECT fold_totals()"),
        _repeat(job["dsn"], 0.0, "SELECT refresh_all_analytics()"),
    )


async def _repeat(dsn: str, pause: float, statement: str, *values: Any) -> None:
    connection = await asyncpg.connect(dsn)
    while True:
        await connection.execute(statement, *values)
        await asyncio.sleep(pause)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))
