"""What the service costs, measured beside what it is compared with: ``python -m benchmarks --help``.

How to add a benchmark:

1. Write a function in a module of this package: ``@benchmark("bulk") def bulk(lab: Lab) -> None``. Name its module in
   `benchmarks.catalogue.MODULES`; the name is what the command line takes.
2. Ask for what it needs: ``with lab.database() as database`` is a copy of the generated data (``database.dsn()`` as the
   service's role, ``database.owner`` / ``database.superuser`` run SQL), ``with lab.service(database) as server`` the
   service on it, ``lab.app("bare", ...)`` a baseline of `benchmarks.apps`, ``lab.token(user_id)`` a session token.
3. Check that both contenders answer the same: ``lab.check("same bytes", ours == theirs)``; a failed check ends the run.
4. Measure: ``lab.compare("bulk approve of 100", ours=..., baseline=..., baseline_name="one by one", unit="decisions/s",
   reach=at_least(10))``. Each contender is a callable that does its work once and returns what it measured: a rate
   (``lab.load(server, requests)`` and ``pgbench(...)`` return one) or seconds (``lab.seconds(work)``).
   The two run alternately, `lab.rounds` times; CPU time, spread and noise of the machine are kept beside the figures.

`lab.quick` is true in the smoke test (tests/benchmarks): a round is then a fraction of a second, only checks count.
`benchmarks.ledger` is the example in SQL, `benchmarks.webhooks` the one over HTTP.
"""
