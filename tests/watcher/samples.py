"""Resources and statuses that tests on the real API server begin with."""

from datetime import UTC, datetime

from activities.models.status import (
    ConditionStatus,
    PolicyRef,
    PromotionRecord,
    TestAggregateResult,
    TestStatus,
    TrackerStatus,
    WaitingFor,
    WorkflowStatus,
)
from activities.models.tracking import Artifact, PullRequest, PullRequestState, TrackerRef
from crds.api.ports import (
    Document,
    resource_of,
)
from crds.reasons.vocabulary import State, Waiting
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.promotion_policy import PromotionPolicy

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENVIRONMENTS = resource_of(Environment.definition)
POLICIES = resource_of(PromotionPolicy.definition)


def tracker(number: int = 412) -> Document:
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    return {"metadata": {"name": f"web-{number}"}, "spec": spec}


def command(verb: str, environment: str) -> Document:
    spec = {"trackerRef": {"name": "web-412"}, "verb": verb, "environment": environment, "requestedBy": "admin"}
    return {"metadata": {"name": f"{verb}-1"}, "spec": spec}


def ref_of(document: Document) -> TrackerRef:
    metadata = document["metadata"]
    return TrackerRef(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=document["spec"]["attempt"],
    )


def full_status(sequence: int, *, state: State = State.TESTING) -> TrackerStatus:
    """A status with every field filled, texts too long included."""
    test = TestStatus(
        name="integration",
        runner="jenkins",
        required=True,
        state="Passed",
        url="https://ci/1",
        number="1",
        key="k" * 40,
        started_at=AT,
        finished_at=AT,
        message="m" * 5000,
        summary="41 passed",
    )
    aggregate = TestAggregateResult(
        all_passed=True, any_failed=False, any_running=False, any_timeout=False, results={"integration": "Passed"}
    )
    artifact = Artifact(component="web", revision="a" * 40, image="registry/web", tag="sha-a")
    record = PromotionRecord(
        promoted=True,
        result="Promoted",
        source="dev",
        target="staging",
        policy=PolicyRef(name="dev-to-staging", generation=3),
        at=AT,
        artifacts=(artifact,),
        tests=(test,),
        aggregate=aggregate,
        promoted_by="autoPromote",
    )
    return TrackerStatus(
        state=state,
        sequence=sequence,
        attempt=1,
        observed_generation=1,
        reason="Testing",
        message="x" * 5000,
        waiting_for=None
        if state.terminal
        else WaitingFor(what=Waiting.VERDICT, object="TestRunner/jenkins", since=AT, until=AT),
        environment="dev",
        revision="a" * 40,
        pull_request=PullRequest(
            number=412,
            title="t" * 1000,
            author="alice",
            url="https://github.com/acme/web/pull/412",
            state=PullRequestState.MERGED,
            head_sha="b" * 40,
            merge_sha="a" * 40,
            labels=("bug",),
        ),
        tests=(test,),
        aggregate=aggregate,
        promotions=(record,) * 25,
        workflow=WorkflowStatus(id="promotion/x", run_id="run-1", started_at=AT, url="https://ui"),
        conditions=(
            ConditionStatus(type="Presented", status="True", reason="Presented"),
            ConditionStatus(type="OfANewerVersion", status="Unknown", reason="Soon", message="c" * 5000),
        ),
    )


def conditions(document: Document) -> dict[str, Document]:
    return {one["type"]: one for one in document.get("status", {}).get("conditions", ())}


class Quiet:
    """Count nothing."""

    def tracker_written(self, *_: object) -> None:
        return

    def status_refused(self, *_: object) -> None:
        pass

    def status_forged(self, *_: object) -> None:
        pass
