"""Every contract method is registered once, on its own queue."""

import inspect
from typing import get_type_hints
from unittest.mock import Mock

import pytest
from temporalio.activity import _Definition as ActivityDefinition
from temporalio.workflow import _Definition as WorkflowDefinition

import activities.contracts
from activities.commit_statuses import PostRecords
from activities.credential_checks import CredentialConditions
from activities.discovery_conditions import DiscoveryConditions
from activities.drift.publishing import DriftStatuses
from activities.event_sinks.publishing import EventSinkStatuses
from activities.failures import tenant_of
from activities.models.credential_checks import CheckedResource
from activities.models.tracking import TrackerRef
from activities.resources import KubernetesResources
from providers.shares import namespace_of
from tests.activities.cluster import shop
from tests.activities.fakes import FakeOpener, FakePlaces, FakeReceivers, FakeSink
from worker.serving.registry import WORKFLOWS, Dependencies, build_activities
from workflows.identity import (
    COMMIT_STATUS_WORKFLOW,
    CREDENTIAL_CHECK_WORKFLOW,
    DRIFT_WORKFLOW,
    ENVIRONMENT_WORKFLOW,
    EVENT_SINK_WORKFLOW,
    INSTALLATION_WORKFLOW,
    PROMOTION_WORKFLOW,
    REPOSITORY_SYNC_WORKFLOW,
    SUBSCRIPTION_FAULT_WORKFLOW,
    Queues,
)

QUEUES = {
    "ConfigActivities": "config",
    "ConnectionActivities": "checks",
    "ConditionActivities": "kubernetes",
    "ScmActivities": "scm",
    "RepositorySyncActivities": "scm",
    "TestRunActivities": "ci",
    "DeliveryActivities": "delivery",
    "ObservationActivities": "observation",
    "ResourceActivities": "kubernetes",
    "DiscoveryActivities": "kubernetes",
    "CommitStatusActivities": "scm",
    "SupersessionActivities": "config",
    "PostRecordActivities": "kubernetes",
    "DriftActivities": "checks",
    "DriftStatusActivities": "kubernetes",
    "EventSinkActivities": "checks",
    "EventSinkStatusActivities": "kubernetes",
}
PARTS: dict[str, object] = {
    "tracker": TrackerRef(namespace="shop", name="web-1", uid="u", attempt=1),
    "connection": CheckedResource(kind="TestRunner", namespace="shop", name="jenkins", uid="u"),
}
FORMERLY = {"check_connection": "config"}
"""Queues that activities moved away from; what was scheduled there before an upgrade is still served."""
CONTRACTS = {
    name: value
    for name, value in vars(activities.contracts).items()
    if inspect.isclass(value) and name.endswith("Activities")
}


def methods_of(contract: type) -> set[str]:
    return {name for name, value in vars(contract).items() if getattr(value, "__isabstractmethod__", False)}


def registered() -> dict[str, list[str]]:
    """Return the wire names by queue, those of the watcher included."""
    dependencies = Dependencies(
        kubernetes=shop().port(),
        opener=FakeOpener(),
        places=FakePlaces(),
        receivers=FakeReceivers(),
        records=FakeSink(),
        postings=Mock(),
        commit_statuses=Mock(),
        sinks=Mock(),
    )
    served = dict(build_activities(dependencies))
    resources = KubernetesResources(kubernetes=shop().port(), observer=Mock())
    conditions = CredentialConditions(shop().port())
    discovery = DiscoveryConditions(shop().port())
    drift = DriftStatuses(kubernetes=shop().port(), observer=Mock(), rollbacks=Mock())
    served["kubernetes"] = [
        resources.publish_status,
        resources.publish_place,
        conditions.publish_connection,
        discovery.publish_discovery,
        PostRecords(shop().port()).publish_post,
        drift.publish_drift,
        EventSinkStatuses(shop().port()).publish_event_sink,
    ]
    return {queue: [_wire_name(function) for function in functions] for queue, functions in served.items()}


def _wire_name(function: object) -> str:
    assert callable(function)
    return ActivityDefinition.must_from_callable(function).name or ""


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_every_contract_method_is_registered_once_on_its_queue(contract: str) -> None:
    served = registered()
    for method in methods_of(CONTRACTS[contract]):
        found = [queue for queue, names in served.items() for name in names if name == method]
        assert [queue for queue in found if queue != FORMERLY.get(method)] == [QUEUES[contract]]
        assert len(found) == len(set(found))


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_every_request_names_the_namespace_whose_share_it_takes(contract: str) -> None:
    for method in methods_of(CONTRACTS[contract]):
        (request,) = (
            hint for name, hint in get_type_hints(getattr(CONTRACTS[contract], method)).items() if name == "request"
        )
        hints = get_type_hints(request)
        if "namespace" in hints or isinstance(getattr(request, "namespace", None), property):
            named = Mock(spec=["namespace"], namespace="shop")
        else:
            part = "tracker" if hints.get("tracker") is TrackerRef else "connection"
            named = Mock(spec=[part])
            setattr(named, part, PARTS[part])
            assert hints[part] is type(PARTS[part])
        assert namespace_of(tenant_of(named)) == "shop"


def test_nothing_else_is_registered() -> None:
    known = {method for contract in CONTRACTS.values() for method in methods_of(contract)}
    assert {name for names in registered().values() for name in names} == known


def test_every_queue_has_a_name_of_its_own() -> None:
    queues = Queues(installation="east")
    assert {getattr(queues, queue) for queue in [*QUEUES.values(), "promotions"]} == {
        f"east.{queue}" for queue in [*QUEUES.values(), "promotions"]
    }


def test_workflows_carry_the_names_by_which_they_are_started() -> None:
    names = {WorkflowDefinition.must_from_class(workflow).name for workflow in WORKFLOWS}
    assert names == {
        PROMOTION_WORKFLOW,
        ENVIRONMENT_WORKFLOW,
        CREDENTIAL_CHECK_WORKFLOW,
        REPOSITORY_SYNC_WORKFLOW,
        DRIFT_WORKFLOW,
        INSTALLATION_WORKFLOW,
        COMMIT_STATUS_WORKFLOW,
        SUBSCRIPTION_FAULT_WORKFLOW,
        EVENT_SINK_WORKFLOW,
    }
