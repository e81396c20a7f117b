"""What people can do for a deployment that does not arrive follows from what keeps it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from activities.models.configuration import DeploymentSpec, FluxSpec, WriteKind, WriteSpec
from activities.models.delivery import Observation, OperationPhase, WriteOutcome, WriteResult
from activities.models.status import NO_ACTION
from crds.reasons.vocabulary import Health
from tests.workflows.promotion.rules.test_waves import API, ARRIVED, BEHIND, WEB, WRITTEN, a_hop
from tests.worlds.refusals import unread
from workflows.promotion.rules.remedies import of_wave
from workflows.promotion.state import Hop, Touch

BY_GIT = replace(WEB, write=WriteSpec(kind=WriteKind.GIT))
BY_FLUX = replace(BY_GIT, application="apps/web", flux=FluxSpec(environment="staging", repository="web"))
READ_ONLY = replace(WEB, write=None)
FAILED = replace(BEHIND, operation_phase=OperationPhase.FAILED, sync_status="HealthCheckFailed", message="not ready")
ILL = replace(WRITTEN, sync_status="Synced", health=Health.DEGRADED, message="Deployment web: ImagePullBackOff")
BUSY = WriteResult(outcome=WriteOutcome.BUSY, message="ProviderUnavailable: no answer")


def requested() -> Hop:
    return a_hop(touched={"web": Touch.REQUESTED, "api": Touch.REQUESTED})


def remedy(hop: Hop, observed: Mapping[str, Observation], *wave: DeploymentSpec, hindered: tuple[str, ...] = ()) -> str:
    return of_wave(hop, wave or (WEB,), observed, dict.fromkeys(hindered, BUSY))


@pytest.mark.parametrize(
    ("one", "seen", "helps"),
    [
        (WEB, replace(WRITTEN, operation_phase=OperationPhase.RUNNING, message="hook runs"), ""),
        (WEB, replace(ILL, operating=WRITTEN.written), ""),
        (WEB, replace(ILL, health=Health.PROGRESSING), ""),
        (WEB, WRITTEN, ""),
        (WEB, replace(WRITTEN, failure=unread("answered 401")), ""),
        (WEB, replace(WRITTEN, message="ConfigMap a is to be pruned"), "fix application web as its message shows"),
        (WEB, ILL, "fix application web as its message shows"),
        (BY_GIT, replace(BEHIND, sync_status="OutOfSync"), "sync application web, or turn its automated sync on"),
        (BY_GIT, BEHIND, ""),
        (BY_FLUX, FAILED, "fix Kustomization apps/web as its message shows"),
        (BY_FLUX, BEHIND, ""),
        (READ_ONLY, BEHIND, "deploy it to application web, which Pilotage does not write"),
        (READ_ONLY, replace(ARRIVED, settled=False), ""),
    ],
)
def test_what_helps_is_named_by_what_keeps_a_deployment_from_arriving(
    one: DeploymentSpec, seen: Observation, helps: str
) -> None:
    assert remedy(requested(), {"web": seen}, one) == helps


def test_what_we_have_not_asked_for_yet_is_nobodys_task() -> None:
    found = {BY_GIT: replace(BEHIND, sync_status="OutOfSync"), WEB: replace(ILL, sync_status="OutOfSync")}
    assert [remedy(a_hop(), {"web": seen}, one) for one, seen in found.items()] == ["", ""]


def test_an_application_that_is_gone_is_to_be_created() -> None:
    assert remedy(requested(), {}).startswith("create application web, ")


def test_what_is_tried_again_asks_no_one_unless_another_one_does() -> None:
    seen = {"web": BEHIND, "api": replace(ILL, deployment="api")}
    assert remedy(requested(), seen, WEB, hindered=("web",)) == NO_ACTION
    assert remedy(requested(), seen, WEB, API, hindered=("web",)) == "fix application api as its message shows"
    assert remedy(requested(), seen, WEB, API, hindered=("web", "api")) == NO_ACTION
