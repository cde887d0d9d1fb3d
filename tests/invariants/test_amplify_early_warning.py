import pytest
from tests.invariants.conftest import Look
from tests.support.factories import Factory


@pytest.mark.parametrize(
    ("peers", "students", "warned"), [(40, 150, False), (41, 0, True), (0, 151, True), (50, 200, True)]
)
async def test_the_manuals_thresholds(look: Look, factory: Factory, peers: int, students: int, warned: bool) -> None:
    submission = await factory.submission(None, "AMPLIFY", payload={"peersTrained": peers, "studentsTrained": students})
    sample = {"user_id": submission.user_id, "peers": peers, "students": students}
    assert (await look("amplify_early_warning")).samples == ([sample] if warned else [])
