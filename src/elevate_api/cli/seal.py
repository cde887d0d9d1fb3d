"""`elevate points seal` and `verify-seal`: the ledger's chain of digests, made and proven."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from elevate_api.backups import service as backups
from elevate_api.cli.errors import FAILED, CommandFailed
from elevate_api.cli.output import AsJson, Yes, ask, console, print_json, progress
from elevate_api.cli.runtime import command_database, load_settings
from elevate_api.config import Settings
from elevate_api.kit.jobs import JobResult
from elevate_api.seal import horizon, service
from elevate_api.seal.verify import Proof, verify

Reason = Annotated[
    str | None, typer.Option("--reason", help="Record why, in a batch of its own: after a recovery, a clock set back.")
]
Accept = Annotated[
    bool, typer.Option("--accept", help="Take note of what verify-seal finds, so that it is told apart from then on.")
]
Heads = Annotated[
    list[str] | None, typer.Option("--head", help="A head known from elsewhere, NUMBER:DIGEST; may be repeated.")
]


def seal(reason: Reason = None, accept: Accept = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Seal the ledger's new rows now: a batch of digests, chained to the last one.

    With --accept (and a reason) the batch also takes note of every batch that does not hold any more, and takes in old
    rows that are in none: find out why first. What was noted stays told apart; any further change is found.
    """
    settings = load_settings()
    if accept and not (reason or "").strip():
        raise CommandFailed("--accept needs --reason: say what happened")
    if accept:
        ask(settings, yes, "Take note of everything that does not hold, for good?")
    with progress("Sealing"):
        result = asyncio.run(_seal(settings, reason, accept=accept))
    if result.outcome is None:
        raise CommandFailed(f"another seal is under way (run {result.job_id}): wait for it")
    done = {key: result.outcome[key] for key in ("rows", "batches", "head")}
    if as_json:
        print_json(done)
    else:
        console().print(f"{done['rows']} rows sealed in {done['batches']} batches. Head: {done['head'] or 'none yet'}")


def verify_seal(
    from_: Annotated[int, typer.Option("--from", min=1, help="The first batch to check.")] = 1,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many batches at the end.")] = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the ledger is what was sealed: recompute every batch, name rows that changed, went or came.

    Also compares with the heads that the backups in BACKUP_DIR carry. Exit code 0 when all holds, 1 otherwise.
    """
    with progress("Recomputing the ledger's digests"):
        proof = asyncio.run(_verify(load_settings(), from_, last, heads or []))
    if as_json:
        print_json({"holds": proof.holds, **asdict(proof)})
    else:
        _print(proof)
    if not proof.holds:
        raise typer.Exit(FAILED)


async def _seal(settings: Settings, reason: str | None, *, accept: bool) -> JobResult:
    async with command_database(settings) as database:
        accepted: dict[str, str] | None = None
        if accept:
            proof = await verify(database, keep=None)
            accepted = {str(broken.number): broken.state for broken in proof.broken}
        return await service.seal(database, "cli", reason=reason, accepted=accepted, everything=accept)


async def _verify(settings: Settings, first: int, last: int | None, given: Sequence[str]) -> Proof:
    heads = _heads(settings, given)
    async with command_database(settings) as database:
        if last is not None:
            async with database.session() as session:
                newest = await service.head(session)
            first = max(first, (newest.number if newest else 0) - last + 1)
        return await verify(database, first=first, heads=heads)


def _heads(settings: Settings, given: Sequence[str]) -> list[tuple[int, str, str]]:
    try:
        heads = [(*horizon.head_of(one), "--head") for one in given]
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    if settings.backups.directory is None:
        return heads
    manifests = backups.open_store(settings).list()
    return heads + [(*horizon.head_of(one.snapshot.seal), f"backup {one.id}") for one in manifests if one.snapshot.seal]


def _print(proof: Proof) -> None:
    out = console()
    for accepted in proof.accepted:
        out.print(f"{accepted}: noted in batch {accepted.accepted_by}.")
    for broken in proof.broken:
        out.print(f"{broken}.")
        ids: list[Any] = [*broken.missing_ids, *broken.changed_ids]
        if ids:
            out.print("  " + " ".join(map(str, ids)))
    if proof.broken_count > len(proof.broken):
        out.print(f"... {proof.broken_count} batches in all.")
    if proof.stranger_count:
        out.print(f"{proof.stranger_count} old rows are in no batch: " + " ".join(map(str, proof.strangers)))
    for sentence in proof.other_heads:
        out.print(f"{sentence}.")
    judgement = "All of it holds" if proof.holds else f"The seal is broken{_since(proof)}"
    out.print(
        f"{judgement}: {proof.batches} batches, {proof.rows} rows, head {proof.head or 'none'}; {proof.waiting} new."
    )


def _since(proof: Proof) -> str:
    return f" from batch {proof.broken[0].number} on" if proof.broken else ""
