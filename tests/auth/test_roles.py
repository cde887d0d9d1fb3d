from itertools import product

import pytest

from elevate_api.auth.roles import Role


@pytest.mark.parametrize(("upper", "lower"), list(product(Role, Role)))
def test_each_role_includes_those_below(upper: Role, lower: Role) -> None:
    order = ["PARTICIPANT", "REVIEWER", "ADMIN", "SUPERADMIN"]

    assert upper.includes(lower) == (order.index(upper) >= order.index(lower))


@pytest.mark.parametrize(("own", "granted"), list(product(Role, Role)))
def test_nobody_but_a_superadmin_grants_their_own_level_or_above(own: Role, granted: Role) -> None:
    grants = {
        "PARTICIPANT": set(),
        "REVIEWER": {"PARTICIPANT"},
        "ADMIN": {"PARTICIPANT", "REVIEWER"},
        "SUPERADMIN": {"PARTICIPANT", "REVIEWER", "ADMIN", "SUPERADMIN"},
    }

    assert own.may_grant(granted) == (granted in grants[own])
