"""The same programme as a hypothesis state machine: short plays, each shrunk by hypothesis when it fails."""

import asyncio
import os
from contextlib import AsyncExitStack
from random import Random
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.model.moves import ALONE, MOVES, Chooser
from tests.model.player import Player
from tests.model.runs import world
from tests.support.cluster import Administrator

ALL = bool(os.environ.get("ELEVATE_TEST_ALL"))
EXAMPLES, STEPS = (60, 50) if ALL else (4, 30)
draws = st.randoms(use_true_random=False)
"""A source of chance that hypothesis chooses, and shrinks."""


class Machine(RuleBasedStateMachine):
    administrator: ClassVar[Administrator]

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.stack, self.numbers = asyncio.new_event_loop(), AsyncExitStack(), 0
        self.player: Player | None = None

    @initialize()
    def begin(self) -> None:
        """A database of its own."""
        self.player = self.loop.run_until_complete(self.stack.enter_async_context(world(self.administrator)))

    @rule(move=st.sampled_from(sorted(set(MOVES) - set(ALONE))), random=draws)
    def somebody_acts(self, move: str, random: Random) -> None:
        self._take(move, random)

    @rule(move=st.sampled_from(("submit", "submit", "approve", "approve", "deliver", "arrive")), random=draws)
    def the_programme_goes_on(self, move: str, random: Random) -> None:
        """What everything else needs, more often."""
        self._take(move, random)

    @rule(move=st.sampled_from(ALONE), random=draws)
    def time_and_machines(self, move: str, random: Random) -> None:
        self._take(move, random)

    def _take(self, move: str, random: Random) -> None:
        player = self.player
        assert player is not None
        self.numbers += 1
        step = Chooser(random, lambda: player.programme).draw(move, f"s{self.numbers}")
        if step is not None:
            self.loop.run_until_complete(player.take(step))

    def teardown(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.loop.close()


def test_the_service_does_what_the_rules_say_for_hypothesis(administrator: Administrator) -> None:
    Machine.administrator = administrator
    options = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Machine, settings=options)
