"""Pure: keys, variables and deadlines of a round of tests."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.configuration import EnvironmentView, PolicySnapshot
from activities.models.failures import Failure
from activities.models.promotion import PromotionInput
from activities.models.testing import RunReport, RunState
from activities.models.tracking import Artifact
from workflows.failures import worth_showing
from workflows.promotion.state import Hop, PromotionState, Round, RunBlocker, TestProgress

KEY_LENGTH = 32
LOOK_AGAIN = timedelta(seconds=5)
"""Between two looks at a run that is late: each of them may be the last one."""
LONGEST_QUIET = timedelta(minutes=65)
"""How long requests for quiet may keep a late run from being read: adapters believe no host for more than an hour."""
QUEUED_LONG = timedelta(minutes=1)
"""From then on a queued test shows that no runner has taken it."""


def promotion_key(request: PromotionInput, *parts: object) -> str:
    """Return the idempotency key of one outside effect: the same parts give the same key in every run and reset."""
    tracker = request.tracker
    text = "\0".join(str(part) for part in (request.installation, tracker.uid, tracker.attempt, *parts))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def run_key(request: PromotionInput, hop: Hop, round_: Round, test: TestProgress) -> str:
    """Return the key of one counted run."""
    revision = round_.artifacts[0].revision if round_.artifacts else ""
    return promotion_key(request, hop.nonce, hop.number, revision, test.spec.name, round_.number, test.retry)


def new_round(story: PromotionState, hop: Hop, artifacts: tuple[Artifact, ...], now: datetime) -> Round:
    """Return the next round: every test of the snapshot that concerns a touched component."""
    story.rounds += 1
    components = story.components or ()
    tests = [
        TestProgress(spec=spec)
        for spec in hop.policy.tests
        if not spec.components or set(spec.components) & set(components)
    ]
    return Round(number=story.rounds, artifacts=artifacts, tests=tests, started_at=now, began_at=now)


def due(round_: Round, now: datetime) -> list[TestProgress]:
    """Return the tests whose trigger is to be sent now."""
    return [
        test for test in round_.tests if test.state is None and (test.next_trigger is None or test.next_trigger <= now)
    ]


def next_wake(
    round_: Round, policy: PolicySnapshot, now: datetime, poll: timedelta, *, triggers: bool = True
) -> timedelta:
    """Return how long to sleep: until the next poll, trigger (if any may be sent) or deadline, whichever is first.

    A run that is late has its next look instead of its deadline.
    """
    running = [test for test in round_.tests if test.run and not test.final]
    waits = [max(poll, test.next_poll - now) if test.next_poll else poll for test in running]
    if triggers:
        waits += [test.next_trigger - now for test in round_.tests if test.state is None and test.next_trigger]
    for test in round_.tests:
        if not test.final:
            over = deadline(round_, policy, test)
            waits.append(next_look(test, over) - now if test.run and now >= over else over - now)
    return max(min(waits, default=poll), timedelta(milliseconds=100))


def next_try(round_: Round, policy: PolicySnapshot, now: datetime, poll_at: datetime) -> datetime | None:
    """Return when a test that could not be triggered or read is tried again; None where there is none."""
    failed = [test for test in round_.tests if test.failure is not None and not test.final]
    tries = [_tried_at(test, deadline(round_, policy, test), now, poll_at) for test in failed]
    return min((one for one in tries if one is not None), default=None)


def _tried_at(test: TestProgress, over: datetime, now: datetime, poll_at: datetime) -> datetime | None:
    if test.run is None:
        return test.next_trigger
    return next_look(test, over) if now >= over else max(poll_at, test.next_poll or poll_at)


def wake_reason(round_: Round) -> str:
    """Return what the next wake-up is for: to read the runs there are, else to send again what was refused."""
    if running := [test.spec.name for test in round_.tests if test.run and not test.final]:
        return f"poll {', '.join(running)}"
    if refused := [test.spec.name for test in round_.tests if test.state is None]:
        return f"trigger {', '.join(refused)} again"
    return "end the round"


def deadline(round_: Round, policy: PolicySnapshot, test: TestProgress) -> datetime:
    """Return when a run is over: its own timeout from its first trigger, or the round's."""
    whole = round_.started_at + policy.timeout
    return min(whole, test.started_at + test.spec.timeout) if test.started_at else whole


def begun(round_: Round) -> bool:
    """Return whether every test of the round has its first run, and none has another one yet."""
    return bool(round_.tests) and all(test.run is not None and test.retry == 0 for test in round_.tests)


def is_timed_out(round_: Round, policy: PolicySnapshot, now: datetime) -> bool:
    """Return whether the round's own time is up."""
    return now >= round_.started_at + policy.timeout


def late(round_: Round, policy: PolicySnapshot, now: datetime) -> list[TestProgress]:
    """Return the tests whose deadline has passed without a verdict."""
    return [test for test in round_.tests if not test.final and deadline(round_, policy, test) <= now]


def to_poll(round_: Round, now: datetime) -> list[TestProgress]:
    """Return the tests whose runs may be read now."""
    running = [test for test in round_.tests if test.run is not None and not test.final]
    return [test for test in running if test.next_poll is None or test.next_poll <= now]


def to_read_again(round_: Round, polled: Sequence[TestProgress], now: datetime, pause: timedelta) -> list[TestProgress]:
    """Return the tests whose run has its verdict and is read along with these, now and then: people may run it again.

    Only in the same calls to a runner, so that it costs no activity.
    """
    runners = {test.spec.runner for test in polled}
    return [
        test
        for test in round_.tests
        if test.judged and test.run and test.spec.runner in runners and test.read_at and test.read_at + pause <= now
    ]


def next_look(test: TestProgress, over: datetime) -> datetime:
    """Return when a run that is late is looked at again: at its deadline first, then until a look succeeds."""
    if test.missed_at is None or test.missed_at < over:
        return test.next_poll or over
    return max(test.missed_at + LOOK_AGAIN, test.next_poll or test.missed_at)


def given_up(round_: Round, policy: PolicySnapshot, test: TestProgress, now: datetime, last_look: timedelta) -> bool:
    """Return whether a test that is late is ended: its run was read after its deadline and still went on.

    A look that failed is no evidence of the run, whose verdict may be there. Only where the CI system itself has failed
    for `last_look` by then, or asks for quiet longer than any host does, no one waits for it any more.
    """
    over = deadline(round_, policy, test)
    if test.run is None or (test.read_at is not None and test.read_at >= over):
        return True
    if test.failure is None or test.failing_since is None or test.missed_at is None or test.missed_at < over:
        return False
    patience = LONGEST_QUIET if test.failure.asks_to_wait else last_look
    return now - test.failing_since >= patience


def round_deadline(round_: Round, policy: PolicySnapshot) -> datetime:
    """Return when the first thing of the round runs out of time."""
    return min(
        (deadline(round_, policy, test) for test in round_.tests if not test.final),
        default=round_.started_at + policy.timeout,
    )


def shift(round_: Round, by: timedelta) -> None:
    """Give back the time that a hold took from every deadline."""
    round_.started_at += by
    for test in round_.tests:
        if test.started_at and not test.final:
            test.started_at += by
        if test.next_trigger:
            test.next_trigger += by


def take_report(test: TestProgress, report: RunReport, now: datetime, passing: timedelta) -> None:
    """Write what the CI system showed into the test; a poll error is not a verdict."""
    test.run, test.url = report.run, report.run.url or test.url
    test.number, test.summary = report.number or test.number, report.summary or test.summary
    if report.failure is not None:
        miss_poll(test, report.failure, now, passing)
        return
    answered(test)
    test.state, test.message, test.blocker = report.state, report.message, RunBlocker.NOTHING
    if report.waiting_for_approval:
        test.blocker = RunBlocker.APPROVAL
        test.message = test.message or "waits for approval at the CI system"
    elif report.state is RunState.QUEUED and test.started_at is not None and now - test.started_at >= QUEUED_LONG:
        since, test.blocker = f"{test.started_at:%H:%M} UTC", RunBlocker.RUNNER
        test.message = "; ".join(filter(None, (f"in the queue since {since}: no runner has taken it", report.message)))
    if report.state.final:
        test.judged, test.finished_at = True, test.finished_at or now


def take_later(test: TestProgress, report: RunReport) -> bool:
    """Note that a run was run again after its verdict was read, which stands; True where that is news."""
    if report.failure is not None or (report.state is test.state and report.number in ("", test.number)):
        return False
    run = f"run {report.number}" if report.number else "the run"
    later = cut(
        f"run again: {run} is {report.state}, and {test.state} stands; use `retest` for a new round", LINE_BYTES
    )
    news, test.later = later != test.later, later
    return news


def miss_poll(test: TestProgress, failure: Failure, now: datetime, passing: timedelta) -> None:
    """Write into the test that it could not be read; what asks to wait names when to look again, and is no poll."""
    test.missed_at = now
    test.next_poll = now + failure.wait if failure.wait else None
    test.unread += not failure.asks_to_wait
    note_failure(test, failure, now, passing)


def note_failure(test: TestProgress, failure: Failure, now: datetime, passing: timedelta) -> None:
    """Write into the test why it could not be triggered or read."""
    test.failure = replace(failure, message=cut(failure.message, LINE_BYTES))
    test.failing_since = test.failing_since or now
    reveal(test, now, passing)


def reveal(test: TestProgress, now: datetime, passing: timedelta) -> None:
    """Have people know of a failure that they have not seen yet, once it has lasted."""
    if test.failure is not None and test.failing_since is not None and not test.final:
        test.lasting = worth_showing(test.failure, test.failing_since, now, passing=passing)


def until_shown(round_: Round, now: datetime, pause: timedelta, passing: timedelta) -> timedelta:
    """Shorten a pause so that a failure is shown once it has lasted, however long the host asks to wait."""
    hidden = [test for test in round_.tests if test.failing_since is not None and not test.lasting and not test.final]
    due = [test.failing_since + passing - now for test in hidden if test.failing_since is not None]
    return max(min([pause, *due]), timedelta(milliseconds=100))


def answered(test: TestProgress) -> None:
    """Forget what failed before."""
    test.failure = test.failing_since = test.next_poll = test.missed_at = None
    test.lasting, test.unread, test.attempts = False, 0, 0


def time_out(test: TestProgress, policy: PolicySnapshot, now: datetime) -> None:
    """End a run by its deadline."""
    own = test.started_at is not None and test.started_at + test.spec.timeout <= now
    limit = test.spec.timeout if own else policy.timeout
    test.state, test.finished_at = RunState.TIMED_OUT, now
    cause = f": {test.failure.text}" if test.failure is not None else ""
    answered(test)
    test.message = f"no verdict within {_text(limit)}{cause}"


def variables(
    story: PromotionState,
    hop: Hop,
    *,
    number: int,
    key: str,
    artifacts: Sequence[Artifact],
    source: EnvironmentView | None,
    target: EnvironmentView | None,
    components: Sequence[str] = (),
) -> dict[str, str]:
    """Return the closed list of variables that a policy's templates may name."""
    pull_request, repository = story.pull_request, story.repository
    mine = [artifact for artifact in artifacts if not components or artifact.component in components]
    artifact = mine[0] if mine else None
    found = {
        "revision": artifact.revision if artifact else "",
        "pullRequest.number": str(number),
        "pullRequest.title": pull_request.title if pull_request else "",
        "pullRequest.author": pull_request.author if pull_request else "",
        "pullRequest.headSHA": pull_request.head_sha if pull_request else "",
        "pullRequest.mergeSHA": (pull_request.merge_sha or "") if pull_request else "",
        "pullRequest.branch": pull_request.branch if pull_request else "",
        "pullRequest.baseBranch": pull_request.base_branch if pull_request else "",
        "pullRequest.url": pull_request.url if pull_request else "",
        "repository.name": repository.repository if repository else "",
        "repository.owner": repository.owner if repository else "",
        "repository.fullName": repository.full_name if repository else "",
        "sourceEnvironment": hop.policy.source,
        "targetEnvironment": hop.policy.target,
        "component.name": artifact.component if artifact else "",
        "artifact.image": (artifact.image or "") if artifact else "",
        "artifact.tag": (artifact.tag or "") if artifact else "",
        "deployment.name": _deployment(source, artifact),
        "policy.name": hop.policy.name,
        "promotion.key": key,
    }
    found |= {f"source.vars.{name}": value for name, value in (source.vars if source else {}).items()}
    found |= {f"target.vars.{name}": value for name, value in (target.vars if target else {}).items()}
    return found


def shared_variables(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the variables that have one value for all tests: they travel once."""
    first = each[0] if each else {}
    return {name: text for name, text in first.items() if all(one.get(name) == text for one in each)}


def _deployment(source: EnvironmentView | None, artifact: Artifact | None) -> str:
    """Name the source's first deployment of the artifact."""
    deployments = source.deployments if source and artifact else ()
    return next((one.name for one in deployments if artifact and one.component == artifact.component), "")


def _text(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"
