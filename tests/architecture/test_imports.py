"""Imports run one way, and routers are leaves (the map is in shared/architecture.md)."""

import sys

import pytest
from tests.support.source import Module, modules

# From the ground up. A package imports from the lines above its own; those of one line know nothing of each other.
LAYERS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {"kit", "postgres"},
            {"config"},
            {"addresses", "features", "locales"},
            {"audit"},
            {"auth"},
            {"users"},
            {"activities"},
            {"points"},
            {"submissions", "badges", "leaderboards", "seal"},
            {"attachments", "review", "kajabi", "analytics", "profiles", "exports"},
            {"clerk"},  # its webhooks are counted with Kajabi's
            {"privacy", "retention"},
            {"alerts"},
            {"models"},
            {"ops"},
            {"health", "seeds", "backups", "metrics", "transfer", "manual"},
            {"console"},
            {"constraints", "limits", "api", "scheduler", "alert_sources", "tracing", "deploy"},
            {"app"},
            {"asgi"},
            {"cli"},
        ),
    )
)
LEVEL = {package: level for level, layer in enumerate(LAYERS) for package in layer}
GUARDS = ["users", "guards"]
"""Who may call is a type in a route's signature, so every router may name it, even `audit`'s."""
POSTGRES_NEEDS = {"psutil", "platformdirs", "elevate_api"}
BEYOND = {"__init__"}


def against_the_direction(module: Module) -> list[str]:
    return [
        f"{module.path} imports {'.'.join(parts)}"
        for parts in module.imports_of_ours()
        if parts and parts[0] != module.package and not (module.is_router and parts[:2] == GUARDS)
        if LEVEL.get(parts[0], 0) >= LEVEL.get(module.package, len(LAYERS))
    ]


def imports_a_router(module: Module) -> list[str]:
    return [
        f"{module.path} imports {'.'.join(parts)}"
        for parts in module.imports_of_ours()
        if tuple(parts[:2]) in ROUTERS and module.path != "api.py"
    ]


EVERY = [module for module in modules() if module.package not in BEYOND]
ROUTERS = {(module.package, module.stem) for module in EVERY if module.is_router}


def test_imports_run_one_way() -> None:
    assert [finding for module in EVERY for finding in against_the_direction(module)] == []


def test_only_the_map_imports_routers() -> None:
    assert [finding for module in EVERY for finding in imports_a_router(module)] == []


def test_every_package_has_its_place() -> None:
    packages = {module.package for module in EVERY}
    assert packages - LEVEL.keys() == set(), "say in LAYERS where it stands"


def test_imports_are_written_out() -> None:
    relative = [f"{module.path}: {name}" for module in modules() for name in module.imports() if name.startswith(".")]
    assert relative == []


def test_the_embedded_server_needs_next_to_nothing() -> None:
    """It is the first thing that runs, and is of use without the product."""
    needed = {name.split(".")[0] for module in EVERY if module.package == "postgres" for name in module.imports()}
    assert needed - set(sys.stdlib_module_names) <= POSTGRES_NEEDS


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("kit/db.py", "from elevate_api.config import Settings", True),
        ("kit/db.py", "from elevate_api.users.models import User", True),
        ("points/rules.py", "import elevate_api.submissions.models", True),
        ("badges/service.py", "from elevate_api.submissions import models", True),
        ("badges/service.py", "def f():\n    from elevate_api.review.service import approve", True),
        ("badges/service.py", "from elevate_api.points import events", False),
        ("users/service.py", "from elevate_api.config import Settings", False),
        ("users/service.py", "from elevate_api.users.models import User", False),
        ("users/service.py", "import datetime", False),
        ("audit/router.py", "from elevate_api.users.guards import AdminUser", False),
        ("audit/router.py", "from elevate_api.users.models import User", True),
        ("audit/service.py", "from elevate_api.users.guards import AdminUser", True),
    ],
)
def test_the_direction_is_read_from_any_form_of_import(path: str, line: str, found: bool) -> None:
    assert bool(against_the_direction(Module(path, line))) is found


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("app.py", "from elevate_api.users.router import router", True),
        ("users/service.py", "from elevate_api.users import router", True),
        ("review/router.py", "from elevate_api.review.admin_router import router", True),
        ("api.py", "from elevate_api.users.router import router", False),
        ("users/service.py", "from elevate_api.kit.routing import Router", False),
    ],
)
def test_a_router_is_found_in_any_form_of_import(path: str, line: str, found: bool) -> None:
    assert bool(imports_a_router(Module(path, line))) is found
