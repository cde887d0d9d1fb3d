"""What the scene was, kept beside it in the same database: to put it back after a trial, and to see what changed.

A clone of the scene for each trial took longer than the trial: to make, to connect to, and then every connection
compiled every function anew.
"""

import re
from pathlib import Path

from tests.support.sql import Connection

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
WORN = 50
"""Trials until what they left dead is cleared away. Autovacuum is off, so that nothing of its waits is in the races."""

_TABLES = """
SELECT c.table_name::text, string_agg(quote_ident(c.column_name), ', ' ORDER BY c.ordinal_position) AS columns
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
GROUP BY c.table_name ORDER BY c.table_name
"""
_VIEWS = "SELECT matviewname::text FROM pg_matviews WHERE schemaname = 'public' ORDER BY 1"
_KEEP = """
CREATE TABLE scene.{table} AS TABLE public.{table};
ALTER TABLE public.{table} SET (autovacuum_enabled = false);
"""
_PUT_BACK = """
CREATE FUNCTION scene.put_back() RETURNS void LANGUAGE plpgsql
SET session_replication_role = 'replica' SET lock_timeout = '10s' AS $$
DECLARE
  refreshed CONSTANT boolean := EXISTS (
    SELECT id FROM public.analytics_refreshes EXCEPT SELECT id FROM scene.analytics_refreshes);
BEGIN
{tables}
  IF refreshed THEN
{views}
  END IF;
END $$;
"""
_PUT_ONE_BACK = """
  IF (SELECT count(*) FROM public.{table}) <> (SELECT count(*) FROM scene.{table})
     OR EXISTS (SELECT t::text FROM public.{table} t EXCEPT SELECT t::text FROM scene.{table} t) THEN
    DELETE FROM public.{table};
    INSERT INTO public.{table} ({columns}) SELECT {columns} FROM scene.{table};
  END IF;"""


class Memory:
    """Of a database and of the files in a directory, as they are when `keep` is called."""

    def __init__(self, superuser: Connection, directory: Path) -> None:
        self._superuser = superuser
        self._directory = directory
        self._files: dict[Path, bytes] = {}
        self._times = 0
        self.ids: frozenset[str] = frozenset()
        """Every UUID there is, as opposed to those that a trial makes."""

    async def keep(self) -> None:
        tables = dict(await self._superuser.fetch(_TABLES))
        views = [row[0] for row in await self._superuser.fetch(_VIEWS)]
        changes = "".join(_PUT_ONE_BACK.format(table=table, columns=columns) for table, columns in tables.items())
        refreshes = "".join(f"    REFRESH MATERIALIZED VIEW public.{view};\n" for view in views)
        copies = "".join(_KEEP.format(table=table) for table in tables)
        await self._superuser.execute(
            f"CREATE SCHEMA scene; {copies} {_PUT_BACK.format(tables=changes, views=refreshes)}"
        )
        self._files = {path: path.read_bytes() for path in self._directory.rglob("*") if path.is_file()}
        self.ids = await self._ids(list(tables))

    async def _ids(self, tables: list[str]) -> frozenset[str]:
        rows = " UNION ALL ".join(f"SELECT t::text FROM scene.{table} t" for table in tables)
        return frozenset(UUID.findall(" ".join(row[0] for row in await self._superuser.fetch(rows))))

    async def put_back(self) -> None:
        await self._superuser.execute("SELECT scene.put_back()")
        for path in self._directory.rglob("*"):
            if path.is_file() and path not in self._files:
                path.unlink()
        for path, content in self._files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._times += 1
        if self._times % WORN == 0:
            await self._superuser.execute("VACUUM")
