"""What a database is doing and how it is, seen from an ordinary connection: no superuser, nothing installed.

Statements of other roles are hidden by PostgreSQL unless the reader has pg_read_all_stats; their rows are there all
the same. pg_stat_statements is read where it is.
"""
