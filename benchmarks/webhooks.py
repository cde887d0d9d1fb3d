"""Webhook ingest over HTTP, against the sequence that one would first write with an ORM (`benchmarks.naive`)."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

from benchmarks.catalogue import benchmark
from benchmarks.client import request
from benchmarks.figures import Measured, Reach, at_least
from benchmarks.lab import BenchDatabase, Lab
from benchmarks.naive import TAG
from benchmarks.people import fill
from benchmarks.servers import KAJABI_TOKEN, Server

PATH = f"/api/webhooks/kajabi/{KAJABI_TOKEN}"
CLIENTS = 8


@benchmark("webhooks", own_data=True)
def webhooks(lab: Lab) -> None:
    """Storing and processing Kajabi's calls, against a naive ORM sequence."""
    people = 500 if lab.quick else 20_000 if lab.small else 50_000
    with ExitStack() as stack:
        prepared = lab.scratch(lambda dsn: fill(lab, dsn, people, learners=people // 5), copies=2)
        ours, naive = stack.enter_context(prepared)
        # It would stumble over two copies at once, and has one index of bodies to look them up by.
        naive.owner.execute("DROP INDEX kajabi_events_body_key, kajabi_events_body_copies_idx")
        naive.owner.execute("CREATE INDEX ON kajabi_events (body_sha256)")
        service = stack.enter_context(lab.service(ours))
        baseline = stack.enter_context(lab.app("naive_webhooks", database=naive))
        _check_answers(lab, service, baseline)
        numbers = {server.port: count(2) for server in (service, baseline)}
        for name, (body_of, reach) in workloads().items():
            _compare(lab, name, (service, baseline), numbers, body_of, reach)
        for database in (ours, naive):
            _check_ledger(lab, database)


def workloads() -> dict[str, tuple[Callable[[int], bytes], Reach | None]]:
    """A new completion of another person each time; bytes that came before; a tag that means nothing to us."""
    return {
        "webhook ingest over HTTP": (lambda number: completion(number, TAG), at_least(6)),
        "webhook that came before": (lambda _number: completion(1, TAG), None),
        "webhook of another tag": (lambda number: completion(number, f"newsletter-{number}"), None),
    }


def _compare(
    lab: Lab,
    what: str,
    contenders: tuple[Server, Server],
    numbers: dict[int, "count[int]"],
    body_of: Callable[[int], bytes],
    reach: Reach | None,
) -> None:
    seconds = lab.seconds_per_round
    most = 40 if lab.quick else round(2000 * seconds)

    def load(server: Server) -> Measured:
        first = next(numbers[server.port])
        requests = [request("POST", PATH, body=body_of(first + offset)) for offset in range(most)]
        done = lab.load(server, requests, connections=CLIENTS, repeat=False, expected=(200, 202), seconds=seconds)
        numbers[server.port] = count(first + int(done.work))
        return done

    service, baseline = contenders
    lab.compare(
        what,
        ours=lambda: load(service),
        baseline=lambda: load(baseline),
        baseline_name="naive ORM sequence",
        unit="requests/s",
        reach=reach,
        rounds=3 if reach else 1 if lab.small else 2,
        warm_up=reach is not None,
    )


def completion(number: int, tag: str) -> bytes:
    """What Kajabi sends when the person of this number gets a tag."""
    resources = [
        {
            "id": str(number),
            "type": "contacts",
            "attributes": {"name": "Siti Nurhaliza", "email": f"teacher{number}@school.test", "external_user_id": None},
            "relationships": {"site": {"data": {"id": "2", "type": "sites"}}},
        },
        {"id": "5", "type": "contact_tags", "attributes": {"name": tag}, "relationships": {}},
    ]
    return json.dumps({"id": str(number), "event": "tag_added", "payload": resources}).encode()


def _check_answers(lab: Lab, service: Server, baseline: Server) -> None:
    """The same three calls, to one and the other."""
    for body in (completion(1, TAG), completion(1, TAG), completion(1, "newsletter")):
        answers = [_told(server.ask(request("POST", PATH, body=body)).json()) for server in (service, baseline)]
        lab.check("both answer alike", answers[0] == answers[1], answers)


def _told(answer: dict[str, Any]) -> tuple[Any, ...]:
    flat = {name.replace("_", "").lower(): value for name, value in answer.items()}
    return flat["status"], flat["duplicate"], flat["pointsawarded"]


def _check_ledger(lab: Lab, database: BenchDatabase) -> None:
    row = database.owner.row(
        """SELECT (SELECT count(*) FROM kajabi_events WHERE status = 'PROCESSED') AS processed,
                  (SELECT count(*) FROM points_ledger WHERE source = 'WEBHOOK') AS entries,
                  (SELECT count(DISTINCT user_id) FROM points_ledger WHERE delta_points = 10) AS people"""
    )
    lab.check(
        "a ledger row of 10 points for each processed event", row["processed"] == row["entries"] == row["people"], row
    )
