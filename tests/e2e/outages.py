"""A promotion whose tests run until they are released, so that what is killed dies meanwhile; and how it ended."""

from dataclasses import dataclass

from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.samples import JOBS
from tests.e2e.shop import Shop, until

SECONDS = 120.0
LONG_SECONDS, SHORT_SECONDS = 600, 1


@dataclass(frozen=True)
class End:
    """What came of a promotion, and what was done for it outside."""

    results: list[str]
    triggers: list[int]
    """How often each key was triggered."""
    patches: list[tuple[str, str]]


ONCE = End(
    results=["Promoted", "Promoted"],
    triggers=[1, 1, 1, 1],
    patches=[("staging", MERGE_SHA), ("prod", MERGE_SHA)],
)


def until_testing(opened: Shop, *, label: str = "") -> Shop:
    """Apply the samples, without a person on the way, and wait until all tests of the first hop run: until they are
    released, so that each kill comes meanwhile."""
    opened.document("PromotionPolicy", "staging-to-prod")["spec"]["autoPromote"] = True
    opened.open()
    if label:
        opened.sandbox.post("/_github/label", {"repo": f"acme/{opened.name}", "number": 412, "add": [label]})
    for job in JOBS:
        opened.job(job, duration_seconds=LONG_SECONDS)
    opened.apply_all()
    opened.until_state("Testing")
    until(lambda: [opened.builds(job) for job in JOBS], all, "all tests run", SECONDS)
    return opened


def end_tests(opened: Shop) -> None:
    """Let all tests that run end well, and those to come soon: nothing is left for which the outage could wait."""
    for job in JOBS:
        opened.job(job, duration_seconds=SHORT_SECONDS)
        for build in opened.builds(job):
            if build["building"]:
                opened.job(job, number=build["number"], result="SUCCESS")


def end_of(opened: Shop) -> End:
    status = opened.until_state("Completed", seconds=SECONDS)
    return End(
        results=[record["result"] for record in status["promotions"]],
        triggers=sorted(opened.triggers().values()),
        patches=opened.patches(),
    )
