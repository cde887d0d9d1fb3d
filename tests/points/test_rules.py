import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.points.rules import ActivityCode, Award, StageRates, Standing, compute_award

LEARN = StageRates(ActivityCode.LEARN, 20, 20, 0, 0)
EXPLORE = StageRates(ActivityCode.EXPLORE, 50, None, 0, 0)
AMPLIFY = StageRates(ActivityCode.AMPLIFY, 0, None, 2, 1)
PRESENT = StageRates(ActivityCode.PRESENT, 20, None, 0, 0)
SHINE = StageRates(ActivityCode.SHINE, 0, None, 0, 0)
NOTHING = Standing(awarded=0, has_awarded_approval=False)


@pytest.mark.parametrize(("awarded", "points"), [(0, 20), (10, 10), (20, 0), (25, 0), (-5, 20)])
def test_learn_awards_what_is_left_of_its_cap(awarded: int, points: int) -> None:
    assert compute_award(LEARN, Standing(awarded, has_awarded_approval=False)).points == points


@pytest.mark.parametrize("rates", [EXPLORE, PRESENT])
def test_a_second_approval_of_a_stage_awards_nothing(rates: StageRates) -> None:
    assert compute_award(rates, NOTHING).points == rates.default_points
    assert compute_award(rates, Standing(rates.default_points, has_awarded_approval=True)).points == 0


def test_a_second_approval_awards_nothing_even_where_the_first_was_adjusted_down() -> None:
    assert compute_award(EXPLORE, Standing(40, has_awarded_approval=True)) == Award(0, 0, 0)


def test_after_a_revocation_a_stage_awards_again() -> None:
    assert compute_award(EXPLORE, Standing(0, has_awarded_approval=False)).points == 50


def test_amplify_counts_two_a_peer_and_one_a_student() -> None:
    assert compute_award(AMPLIFY, NOTHING, peers=50, students=200).points == 300
    assert compute_award(AMPLIFY, Standing(900, has_awarded_approval=True), peers=1).points == 2


def test_shine_is_recognition_only() -> None:
    assert compute_award(SHINE, NOTHING) == Award(0, 0, 0)


@pytest.mark.parametrize(
    ("peers", "students", "bounds"),
    [(0, 1, (0, 2)), (2, 0, (3, 5)), (5, 1, (8, 14)), (25, 0, (40, 60)), (50, 200, (240, 360))],
)
def test_an_adjustment_is_at_most_a_fifth_rounded_up(peers: int, students: int, bounds: tuple[int, int]) -> None:
    award = compute_award(AMPLIFY, NOTHING, peers=peers, students=students)
    assert (award.lowest, award.highest) == bounds


def test_an_adjustment_never_goes_beyond_the_cap() -> None:
    award = compute_award(LEARN, Standing(10, has_awarded_approval=False))
    assert (award.lowest, award.points, award.highest) == (8, 10, 10)


@given(
    rates=st.sampled_from([LEARN, EXPLORE, AMPLIFY, PRESENT, SHINE]),
    awarded=st.integers(-2000, 2000),
    approved=st.booleans(),
    peers=st.integers(0, 50),
    students=st.integers(0, 200),
)
def test_every_award_lies_between_its_bounds_and_under_the_cap(
    rates: StageRates, awarded: int, approved: bool, peers: int, students: int
) -> None:
    award = compute_award(rates, Standing(awarded, approved), peers=peers, students=students)
    assert 0 <= award.lowest <= award.points <= award.highest <= 1000
    assert award.highest - award.points <= -(-award.points // 5)
    if rates.points_cap is not None:
        assert award.highest == 0 or awarded + award.highest <= rates.points_cap
