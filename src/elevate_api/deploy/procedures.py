"""pre, post, promote, verify: the manual's "CI/CD Integration", in its order."""

from elevate_api.backups.manifest import Manifest
from elevate_api.backups.store import Store
from elevate_api.deploy import database
from elevate_api.deploy.remote import Service
from elevate_api.deploy.steps import Step
from elevate_api.kit.db import Address
from elevate_api.ops import migrations

NOTHING_CHANGED = "nothing was changed; put it right and run this again"


def pre(address: Address, staging: Service | None) -> list[Step]:
    """Before a deploy: may this version go onto this database? Reads only."""
    return [
        Step("connection", lambda: database.connection(address), f"{NOTHING_CHANGED} (elevate emergency connections)"),
        Step("migrations", lambda: database.may_migrate(address), f"{NOTHING_CHANGED} (elevate db status)"),
        Step("schema", lambda: database.schema(address), f"{NOTHING_CHANGED} (elevate db check)"),
        Step("integrity", lambda: database.integrity(address), f"{NOTHING_CHANGED} (elevate points verify)"),
        Step("staging", lambda: _staging(staging), f"{NOTHING_CHANGED}; do not deploy what staging does not bear"),
    ]


def post(address: Address, service: Service | None) -> list[Step]:
    """After the code is there: migrate, refresh, look at the service, warm it."""
    before = database.migration_state(address).current or "base"
    back = f"elevate db rollback --to {before} (asks first), then deploy the version before"
    return [
        Step("migrate", lambda: database.migrate(address), "a failed migration changes nothing: deploy the one before"),
        Step("refresh", lambda: database.refresh(address), "elevate analytics status; the old figures stay readable"),
        Step("health", lambda: _health(service), back),
        Step("warm up", lambda: _warm(service), back),
    ]


def promote(address: Address, store: Store, staging: Service | None, service: Service | None) -> list[Step]:
    """Staging to production: a backup first, the migration tried on a copy of production, then production itself."""
    made: list[Manifest] = []

    def back_up() -> str:
        made.append(database.back_up(address, store))
        return made[0].id

    return [
        Step("staging", lambda: _staging(staging, same=True), NOTHING_CHANGED),
        *pre(address, staging)[:-1],
        Step("back up production", back_up, NOTHING_CHANGED),
        Step("try the migration on a copy", lambda: database.rehearse(address, store, made[0]), NOTHING_CHANGED),
        *(_with_backup(step) for step in post(address, service)[:2]),
        *(_with_backup(step) for step in verify(service)),
    ]


def verify(service: Service | None) -> list[Step]:
    """A running service, from outside. Without one there is nothing to verify."""
    if service is None:
        return []
    back = "route traffic to the version before (elevate deploy verify says when it is well)"
    found = service
    return [
        Step("alive", lambda: found.expect("/health/live", 200), back),
        Step("ready", lambda: found.expect("/health/ready", 200), back),
        Step("health", lambda: found.health(revision=migrations.head()), back),
        Step("public reads", found.warm, back),
        Step("guards", lambda: found.expect("/api/me", 401, "application/problem+json"), back),
        Step("errors", lambda: found.expect("/api/no-such-page", 404, "application/problem+json"), back),
    ]


def _with_backup(step: Step) -> Step:
    way_back = f"{step.way_back}; or elevate backup restore latest --into NAME, then --switch"
    return Step(step.name, step.run, way_back)


def _staging(staging: Service | None, *, same: bool = False) -> str:
    """`same`: staging must stand at this version's migration."""
    if staging is None:
        return "skipped, STAGING_URL is not set"
    return staging.health(revision=migrations.head() if same else None)


def _health(service: Service | None) -> str:
    return "skipped, PRODUCTION_URL is not set" if service is None else service.health(revision=migrations.head())


def _warm(service: Service | None) -> str:
    return "skipped, PRODUCTION_URL is not set" if service is None else service.warm()
