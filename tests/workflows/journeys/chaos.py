"""What happens to the world: teams that deploy, people who command, machines that fail. Then calm, and who fixes."""

from datetime import timedelta
from itertools import pairwise

from activities.models.configuration import TestSpec
from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.environment.facts import COMPONENTS, ENVIRONMENTS
from tests.workflows.journeys.applications import Application
from tests.workflows.journeys.moods import Kind, mood
from tests.workflows.journeys.traveller import Traveller
from tests.workflows.journeys.world import World
from tests.worlds.declared import a_policy
from workflows.promotion.rules.commands import approver
from workflows.promotion.state import Refusal

VERBS = (Verb.RELEASE, Verb.RETEST, Verb.RETRY, Verb.PROMOTE)
FITTING = {
    State.TESTS_FAILED: Verb.RETEST,
    State.PROMOTION_FAILED: Verb.RETRY,
    State.READY_TO_PROMOTE: Verb.PROMOTE,
}


class Chaos:
    """Do what no one can rely on not happening."""

    def __init__(self, world: World, kind: Kind) -> None:
        self.world = world
        self.dice = dice = world.dice("chaos")
        self.mood = mood(kind, dice)
        world.losses, world.lateness = dice.choice(self.mood.losses), dice.choice((0.05, 0.3))
        world.wave_pause = timedelta(seconds=dice.choice((0, 0, 10)))
        world.slow_triggers = self.mood.slow_triggers
        world.pipelines.outcome = self._verdict
        world.pipelines.refuses = lambda: not world.calm and world.dice("refusals").random() < 0.02
        world.applications.outcome = self._operation

    def _verdict(self) -> tuple[float, RunState]:
        if self.world.calm:
            return 3.0, RunState.PASSED
        dice = self.world.dice("verdicts")
        failed = dice.random() < self.mood.failing_tests
        return dice.uniform(1, self.mood.longest_test), RunState.FAILED if failed else RunState.PASSED

    def _operation(self) -> tuple[float, str, float]:
        if self.world.calm:
            return 1.0, "Succeeded", 1.0
        dice = self.world.dice("operations")
        roll = dice.random()
        if roll < self.mood.failing_operations:
            return dice.uniform(1, 20), "Failed", 1.0
        takes = 90.0 if roll < self.mood.failing_operations + 0.02 else dice.uniform(0.5, 15)
        return takes, "Succeeded", dice.uniform(0.5, 10)

    def declare(self) -> None:
        """Declare environments and policies."""
        world, dice = self.world, self.dice
        for environment in ENVIRONMENTS:
            for component in COMPONENTS:
                count = dice.choice((1, 1, 2, 3)) if environment != "dev" else dice.choice((1, 1, 2))
                for index in range(count):
                    self.add(environment, f"{component}-{index}", component)
        for source, target in pairwise(ENVIRONMENTS):
            tests = [self.test("unit", required=True, retries=dice.choice((0, 1)))]
            tests += [self.test("look", required=False)] * dice.choice((0, 1))
            tests += [self.test("paint", components=("ui",))] * dice.choice((0, 1))
            world.policies[source] = a_policy(
                source,
                target,
                auto=dice.random() >= self.mood.approving,
                timeout=timedelta(seconds=300),
                tests=tests,
                on_source_moved=dice.choice(self.mood.on_source_moved),
            )

    def add(self, environment: str, name: str, component: str) -> Application:
        """Declare one more deployment."""
        world = self.world
        there = [one.truth().runs for one in world.applications.of(environment, (component,))]
        first = there[0] if there and there[0] else world.commits.first
        wave = 0 if environment == "dev" else self.dice.choice(self.mood.waves)
        return world.applications.add(environment, name, component, wave, first)

    def test(self, name: str, *, required: bool = True, retries: int = 0, components: tuple[str, ...] = ()) -> TestSpec:
        return TestSpec(
            name=name,
            runner="ci",
            job=name,
            parameters={},
            required=required,
            timeout=timedelta(seconds=120),
            retries=retries,
            components=components,
        )

    def set_out(self, travellers: int) -> None:
        """Open pull requests, and merge them all at once in half of the stories."""
        crowded = self.dice.random() < 0.5
        for _ in range(travellers):
            one = self.world.travel(self.dice.choice((COMPONENTS, COMPONENTS[:1], COMPONENTS[1:])))
            if self.dice.random() < self.mood.held_at_first:
                one.command(Verb.HOLD)
            if crowded:
                one.merge()

    def happen(self) -> None:
        """Let two seconds' worth of things happen."""
        dice, world = self.dice, self.world
        everything = [one for one in world.applications.all.values() if one.exists]
        first = world.applications.of("dev")
        if first and dice.random() < self.mood.bustle:
            world.applications.deploy(dice.choice(first), world.commits.main)
        if dice.random() < self.mood.commits:
            world.commits.add(world.commits.main, main=True)
            self.deploy_home()
        if everything and dice.random() < 0.006:
            one = dice.choice(everything)
            world.applications.deploy(one, world.commits.add(one.truth().runs or world.commits.first, main=False))
        if everything and dice.random() < 0.01:
            one = dice.choice(everything)
            world.applications.deploy(one, dice.choice(one.moments).runs or world.commits.first)
        if everything and dice.random() < 0.01:
            one = dice.choice(everything)
            one.unreadable = not one.unreadable
        if dice.random() < self.mood.redeclaring:
            self.declaration_changes()
        if dice.random() < self.mood.meddling:
            self.somebody_meddles()
        if dice.random() < self.mood.stopping:
            for traveller in world.travellers.values():
                if traveller.promoting:
                    traveller.command(Verb.HOLD)
        if dice.random() < self.mood.uprooting:
            self.somebody_uproots()
        self.machines_fail()
        if dice.random() < self.mood.unrest:
            self.somebody_acts(dice.choice(world.newest()))
        self.somebody_restarts()

    def declaration_changes(self) -> None:
        """Drop a deployment, a whole component of an environment, or declare a new one."""
        dice, world = self.dice, self.world
        environment, component = dice.choice(ENVIRONMENTS), dice.choice(COMPONENTS)
        ours = world.applications.of(environment, (component,))
        roll = dice.random()
        if ours and roll < 0.3:
            world.applications.remove(dice.choice(ours))
        elif ours and roll < 0.5:
            for one in ours:
                world.applications.remove(one)
        else:
            self.add(environment, f"{component}-new-{world.stage.count()}", component)

    def somebody_meddles(self) -> None:
        """Put an older revision back where a wave has failed after others had arrived."""
        for one in self.world.travellers.values():
            hop = one.story.hop
            if one.over or hop is None or one.story.state is not State.PROMOTION_FAILED or not hop.results:
                continue
            moved = [two for two in self.world.applications.of(one.target) if two.spec.name in hop.results]
            for application in moved:
                self.world.applications.deploy(application, application.moments[0].runs or self.world.commits.first)

    def somebody_uproots(self) -> None:
        """Drop a component where a change of it is being tested."""
        for one in self.world.travellers.values():
            run, hop = one.run, one.story.hop
            if run is not None and hop is not None and one.story.state is State.TESTING:
                for application in self.world.applications.of(hop.policy.source, one.components[-1:]):
                    self.world.applications.remove(application)
                run.suggested = True

    def machines_fail(self) -> None:
        """Have runs continue as new, places lose their memory, and workflows be terminated."""
        dice, world = self.dice, self.world
        for environment in ENVIRONMENTS:
            if (place := world.place(environment)) is not None:
                place.suggested = place.suggested or dice.random() < 0.01
                if dice.random() < 0.004:
                    place.end()
        for one in world.travellers.values():
            if (run := one.run) is not None:
                run.suggested = run.suggested or dice.random() < self.mood.continuing
                if dice.random() < (0.005 if one.promoting else 0.0003):
                    one.vanish()

    def somebody_acts(self, one: Traveller) -> None:
        """Have a person give a command; mostly one that helps."""
        dice = self.dice
        if dice.random() < self.mood.holding:
            one.command(Verb.RELEASE if one.held else Verb.HOLD)
            return
        if one.commit is None:
            one.merge()
            return
        verb = FITTING.get(one.story.state, Verb.RELEASE) if dice.random() < 0.7 else dice.choice(VERBS)
        if dice.random() < 0.01:
            verb = Verb.ABORT
        # With a reason, a promotion goes over a target that diverged.
        one.command(verb, reason="because" if verb is not Verb.PROMOTE or dice.random() < 0.3 else "")
        self.somebody_answers_back(one, verb)

    def somebody_answers_back(self, one: Traveller, first: Verb) -> None:
        """Have other commands follow within moments: at once, or while the workflow awaits something."""
        dice = self.world.dice("crossing")
        while dice.random() < self.mood.crossing:
            verb = dice.choice((*VERBS, first, Verb.HOLD, Verb.RETEST, Verb.PROMOTE))
            if dice.random() < (0.2 if one.promoting else 0.02):
                verb = Verb.ABORT
            reason = "because" if dice.random() < 0.5 else ""
            after = dice.choice((0.0, dice.uniform(0, 1), dice.uniform(0, 15)))
            self.world.stage.loop.call_later(after, one.command, verb, reason)

    def somebody_restarts(self) -> None:
        """Restart what promotes, whether its workflow is signalled or gone; some place forgets at the same moment."""
        dice = self.world.dice("restarts")
        for one in self.world.newest():
            if one.promoting and dice.random() < self.mood.restarting:
                if dice.random() < 0.5:
                    one.vanish()
                self.world.restart(one)
                if dice.random() < 0.2 and (place := self.world.place(one.target)) is not None:
                    place.end()

    def settle(self) -> None:
        """End all faults; somebody brings home what was fixed in a hurry, declares what is missing, and deploys it."""
        world = self.world
        world.calm = True
        for environment in ENVIRONMENTS:
            if self.dice.random() < 0.5 and (place := world.place(environment)) is not None:
                place.end()
            for component in COMPONENTS:
                if not world.applications.of(environment, (component,)):
                    self.add(environment, f"{component}-fixed", component)
        for one in world.applications.all.values():
            one.unreadable = False
        for traveller in world.newest():
            traveller.merge()
        world.travel(COMPONENTS).merge(*world.commits.ancestors)
        self.deploy_home()

    def deploy_home(self) -> None:
        """Deploy the newest commit to the first environment, where that did not happen yet."""
        world = self.world
        for one in world.applications.of("dev"):
            if one.state.phase != "Running" and one.truth().runs != world.commits.main:
                world.applications.deploy(one, world.commits.main)

    def fix(self) -> None:
        """Have people give every tracker what it shows that it waits for."""
        self.deploy_home()
        for one in self.world.travellers.values():
            if one.over:
                continue
            story = one.story
            if story.hold is not None:
                one.command(Verb.RELEASE)
            if story.state is State.TESTS_FAILED:
                one.command(Verb.RETEST)
            elif story.state is State.PROMOTION_FAILED:
                one.command(Verb.RETRY)
            elif story.state is State.READY_TO_PROMOTE and story.hop is not None:
                if story.hop.refusal is Refusal.DIVERGED:
                    one.command(Verb.RETEST)
                elif not approver(story):
                    one.command(Verb.PROMOTE)
            elif story.state in (State.AWAITING_MERGE, State.AWAITING_SYNC):
                one.poke()
