"""The checks of `pilotage why`, in the order of a change's way. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crds.conditions import Condition, ConditionStatus, ConditionType
from crds.readiness import SUMMARY, is_outdated
from crds.reasons.vocabulary import State, Waiting
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.artifact import Artifact
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.environment_status import RepositoryStatus
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from crds.v1alpha1.tests_status import TestState, TestStatus
from worker.cli.evidence import Evidence
from worker.cli.trackers import describe_artifact
from worker.cli.values import short

FINAL_FAILURES = frozenset({TestState.FAILED, TestState.TIMED_OUT, TestState.CANCELLED, TestState.ERROR})
Connection = ScmProvider | ClusterScmProvider | TestRunner | ArgoCDInstance
"""Kinds whose conditions show whether a server accepts the credential of their Secret."""
Conditioned = Connection | GitRepository | Environment | PromotionPolicy | PullRequestTracker

ARRIVED = "Completed"
"""Condition of a tracker that is no check: false all the way to the end."""
AT_WORK = frozenset({State.PROMOTING, State.PROMOTION_FAILED})


@dataclass(frozen=True, kw_only=True)
class Check:
    """One fact that lets the change go on, holds it up, or is not settled."""

    subject: str
    ok: bool | None
    """None: not settled yet, or shown for information."""
    text: str
    reason: str = ""
    """The reason of the condition that it shows, from the documented list; empty where it shows none."""

    @property
    def mark(self) -> str:
        """The sign in front of the line."""
        return mark(self.ok)


def mark(ok: bool | None) -> str:
    """Return the sign of what is as wanted, is not, or is not settled."""
    return "·" if ok is None else "✓" if ok else "✗"


def checks_of(evidence: Evidence) -> list[Check]:
    """Judge everything that was read; after the end only what is of the end, since nothing goes on from there."""
    state = evidence.tracker.status.state
    if state is not None and state.terminal:
        return [
            *_conditions("tracker", evidence.tracker, among=_unanswered(evidence.tracker)),
            *_merge(evidence),
            *_place(evidence, evidence.source, role="source"),
            *_tests(evidence),
            *_superseded(evidence),
        ]
    return [
        *(Check(subject="reference", ok=False, text=problem) for problem in evidence.missing),
        *(Check(subject="reference", ok=None, text=problem) for problem in evidence.unreadable),
        *_conditions("tracker", evidence.tracker, among=_unanswered(evidence.tracker)),
        *_references(evidence),
        *_merge(evidence),
        *_place(evidence, evidence.source, role="source"),
        *_policies(evidence),
        *_tests(evidence),
        *_command(evidence),
        *_superseded(evidence),
        *_lane(evidence),
        *_place(evidence, evidence.target, role="target"),
    ]


def _unanswered(tracker: PullRequestTracker) -> list[Condition]:
    """Return the tracker's conditions without the one that only repeats what it waits for."""
    status = tracker.status
    code = status.waiting_for.reason_code if status.waiting_for is not None else None
    return [
        one
        for one in status.conditions
        if one.type != ConditionType.REFERENCES_RESOLVED or one.status is ConditionStatus.TRUE or one.reason != code
    ]


def _conditions(
    subject: str, resource: Conditioned, name: str = "", *, among: Iterable[Condition] | None = None
) -> Iterator[Check]:
    """Show conditions of a resource; what they were before its last change settles nothing."""
    name = name or f"{resource.definition.kind} {resource.metadata.name}"
    for condition in resource.status.conditions if among is None else among:
        # Ready and Stalled are the sum of the others.
        if condition.type == ARRIVED or condition.type in SUMMARY:
            continue
        ok = {ConditionStatus.TRUE: True, ConditionStatus.FALSE: False}.get(condition.status)
        message = f": {condition.message}" if condition.message else ""
        verdict = condition.type if ok else f"not {condition.type}" if ok is False else f"{condition.type} is not known"
        text = f"{name}: {verdict} ({condition.reason}){message}"
        if is_outdated(condition, resource.metadata.generation):
            ok, text = None, f"{text}, before its last change"
        yield Check(subject=subject, ok=ok, text=text, reason=condition.reason)


def _references(evidence: Evidence) -> Iterator[Check]:
    repository = evidence.repository
    if repository is not None:
        yield from _conditions("repository", repository)
    provider = evidence.provider
    if provider is not None:
        yield from _connection("provider", provider)
    used = {test.runner_ref.name for policy in evidence.policies for test in policy.spec.tests}
    known = {runner.metadata.name: runner for runner in evidence.runners}
    for name in sorted(used):
        if name in known:
            yield from _connection("runner", known[name])
        elif TestRunner not in evidence.unlisted:
            yield Check(subject="runner", ok=False, text=f"TestRunner {name}: not found, but a policy names it")
    for instance in evidence.instances:
        yield from _connection("argocd", instance)


def _connection(subject: str, connection: Connection) -> Iterator[Check]:
    """Show what the check of a connection found; it is the Secret that a person has to fix where it found no."""
    secret = connection.spec.secret_ref
    credential = f" (Secret {secret.name})" if secret else ""
    name = f"{connection.definition.kind} {connection.metadata.name}{credential}"
    if connection.status.conditions:
        yield from _conditions(subject, connection, name)
    else:
        yield Check(subject=subject, ok=None, text=f"{name}: not checked yet")


def _merge(evidence: Evidence) -> Iterator[Check]:
    pull_request = evidence.tracker.status.pull_request
    number = evidence.tracker.spec.number
    if pull_request is None:
        yield Check(subject="merge", ok=None, text=f"pull request #{number}: not read yet")
        return
    merged = pull_request.state == "Merged"
    commit = (
        f" as {short(pull_request.merge_sha)}" if pull_request.merge_sha else f", head {short(pull_request.head_sha)}"
    )
    yield Check(
        subject="merge",
        ok=merged or None,
        text=f"pull request #{number}: {pull_request.state or 'Unknown'}{commit}",
    )


def _place(evidence: Evidence, environment: Environment | None, *, role: str) -> Iterator[Check]:
    entry = _entry(evidence, environment)
    if environment is None:
        return
    yield from _conditions(role, environment)
    if entry is None:
        yield Check(subject=role, ok=None, text=f"{environment.metadata.name}: not observed yet")
        return
    revision = evidence.tracker.status.revision
    artifacts = {artifact.component: artifact for artifact in evidence.tracker.status.artifacts}
    applications = {
        deployment.name: deployment.application or "by selector" for deployment in environment.spec.deployments
    }
    unreachable = _unreachable(evidence)
    silent = {
        one.name for one in environment.spec.deployments if one.argocd and one.argocd.instance_ref.name in unreachable
    }
    for deployment in entry.deployments:
        running = deployment.artifact
        artifact = artifacts.get(running.component) if running else None
        if artifacts and running is not None and artifact is None:
            # Of a component that the change does not touch, and so does not bring.
            continue
        wanted = describe_artifact(artifact) if artifact else short(revision)
        exact = running is not None and running.revision == (artifact.revision if artifact else revision)
        health = deployment.health or "Unknown"
        # Something else may contain what is wanted: only the place can judge that, so it is not called wrong.
        known = deployment.name not in silent
        ok = False if deployment.problem else True if known and exact and health == "Healthy" else None
        name = f"{environment.metadata.name}/{deployment.name} {applications.get(deployment.name, '')}".rstrip()
        problem = f"; {deployment.problem}" if deployment.problem else "" if known else ", as it was read last"
        text = f"{name}: {_runs(running, wanted, exact=exact, role=role)}, {health}{problem}"
        yield Check(subject=role, ok=ok, text=text)


def _unreachable(evidence: Evidence) -> set[str]:
    """Name the Argo CD instances that give no answer now: what a status shows of them may be past."""
    return {
        instance.metadata.name
        for instance in evidence.instances
        for one in instance.status.conditions
        if one.type == ConditionType.REACHABLE and one.status is ConditionStatus.FALSE
    }


def _runs(running: Artifact | None, wanted: str, *, exact: bool, role: str) -> str:
    """Return what a deployment runs, and what that means for the change."""
    now = describe_artifact(running)
    if running is None:
        return "what runs there is not known"
    if exact or not wanted:
        return f"runs {now}"
    if role == "target":
        # It may contain the change already: only the place can judge that.
        return f"runs {now} now; the change is {wanted}"
    return f"runs {now}, not {wanted}"


def _entry(evidence: Evidence, environment: Environment | None) -> RepositoryStatus | None:
    if environment is None:
        return None
    repository = evidence.tracker.spec.repository_ref.name
    return next((entry for entry in environment.status.repositories if entry.repository == repository), None)


def _policies(evidence: Evidence) -> Iterator[Check]:
    source = evidence.source
    status = evidence.tracker.status
    place = evidence.source_name
    # A hop keeps the policy that it began with: what was edited since counts from the next one on.
    kept = status.hop.policy.name if status.hop is not None and status.hop.policy is not None else ""
    keeps = f"; this hop keeps {kept}" if kept else ""
    repository = evidence.tracker.spec.repository_ref.name
    if not evidence.policies and PromotionPolicy not in evidence.unlisted:
        final = source is not None and source.spec.final
        text = f"{place} is final: no policy is needed" if final else f"no policy from {place} for {repository}"
        ok = True if final else None if source is None or kept else False
        yield Check(subject="policy", ok=ok, text=text if final else f"{text}{keeps}")
    for policy in evidence.policies:
        spec = policy.spec
        way = f"{spec.source_environment} -> {spec.target_environment}, {'auto' if spec.auto_promote else 'by command'}"
        name = f"PromotionPolicy {policy.metadata.name} ({way})"
        yield from _conditions("policy", policy, name)
    naming = [policy for policy in evidence.policies if policy.spec.repository_refs]
    rivals = naming or list(evidence.policies)
    if len(rivals) > 1:
        names = ", ".join(policy.metadata.name for policy in rivals)
        text = f"several policies from {place} match {repository}: {names}{keeps}"
        yield Check(subject="policy", ok=None if kept else False, text=text)


def _tests(evidence: Evidence) -> Iterator[Check]:
    for test in evidence.tracker.status.tests:
        ok = True if test.state is TestState.PASSED else False if test.required and _stuck(test) else None
        kind = "required" if test.required else "optional"
        details = "; ".join(part for part in (test.message, test.summary, test.url) if part)
        attempt = f", try {test.retry + 1}" if test.retry else ""
        text = f"test {test.name} ({kind}, {test.runner}{attempt}): {test.state}"
        yield Check(subject="test", ok=ok, text=f"{text}; {details}" if details else text)


def _stuck(test: TestStatus) -> bool:
    """Return whether a test did not pass, or is not even begun because its CI system takes no trigger."""
    return test.state in FINAL_FAILURES or (test.state is TestState.PENDING and bool(test.message))


def _command(evidence: Evidence) -> Iterator[Check]:
    status = evidence.tracker.status
    waiting = status.waiting_for
    if status.state is State.HELD:
        # The status' own message is that of the state to which the tracker goes back.
        held = waiting.observed if waiting is not None and waiting.what is Waiting.RELEASE else None
        yield Check(subject="command", ok=False, text=held or "held by a person")
    if waiting is not None and waiting.what is Waiting.PROMOTE_COMMAND:
        text = "the policy has `autoPromote: false`, and the promotion is not approved yet"
        yield Check(subject="command", ok=False, text=text)


def _superseded(evidence: Evidence) -> Iterator[Check]:
    """Show which commands were accepted and could not be carried out any more."""
    for one in evidence.tracker.status.superseded:
        yield Check(subject="command", ok=None, text=one.partition(": ")[2] or one)


def _lane(evidence: Evidence) -> Iterator[Check]:
    entry = _entry(evidence, evidence.target)
    if evidence.target is None or entry is None or entry.lane is None:
        return
    name, place = evidence.tracker.metadata.name, evidence.target.metadata.name
    holder = entry.lane.holder
    if not holder:
        yield Check(subject="lane", ok=True, text=f"lane of {place}: free")
    else:
        working = evidence.tracker.status.state in AT_WORK
        ok = True if holder == name else None if not working else False
        yield Check(subject="lane", ok=ok, text=f"lane of {place}: held by {holder}")
    for member in entry.lane.members:
        held = ", held" if member.held else ""
        if member.tracker != name:
            text = f"lane of {place}: {member.tracker} is {member.phase}{held}"
            yield Check(subject="lane", ok=False if member.held else None, text=text)
