"""What the chart makes of its examples, as rendered in deploy/manifests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import chart
from tests.chart.rendered import EXAMPLES, containers, documents, of_kind, variables
from worker import launching
from worker.settings import Settings
from workflows.identity import Queues


def test_the_manifests_are_those_of_the_chart() -> None:
    assert chart.stale() == ()


@pytest.mark.parametrize("changed", ["deploy/helm/pilotage/values.yaml", "deploy/manifests/evaluation.yaml"])
def test_a_manifest_of_another_chart_or_edited_by_hand_is_stale(changed: str, tmp_path: Path) -> None:
    for folder in (chart.CHART, chart.MANIFESTS):
        shutil.copytree(chart.ROOT / folder, tmp_path / folder)
    with (tmp_path / changed).open("a") as file:
        file.write("# changed\n")
    every = [f"deploy/manifests/{example}.yaml" for example in EXAMPLES]
    assert list(chart.stale(tmp_path)) == (every if "helm" in changed else [changed])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_process_is_no_user_of_the_host_and_writes_nothing(example: str) -> None:
    assert list(containers(example))
    for pod, container in containers(example):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_process_is_probed_bounded_and_given_longer_to_stop_than_its_activities(example: str) -> None:
    for pod, container in containers(example):
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["resources"]["limits"]["memory"]
        grace = int(variables(container).get("PILOTAGE_SHUTDOWN_GRACE_SECONDS", 25))
        assert pod["terminationGracePeriodSeconds"] > grace


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_node_with_a_pod_that_does_not_get_ready_can_be_drained(example: str) -> None:
    budgets = [one["spec"] for one in of_kind(example, "PodDisruptionBudget")]
    assert budgets or example == "evaluation"
    assert all(one["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for one in budgets)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_receiver_still_answers_while_proxies_learn_that_it_goes(example: str) -> None:
    lingering = {
        container["args"][0]: container["lifecycle"]["preStop"]["sleep"]["seconds"]
        for pod, container in containers(example)
        if "lifecycle" in container and pod["terminationGracePeriodSeconds"] > 20
    }
    assert lingering == {"receiver": 5}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_process_reads_the_settings_and_arguments_that_it_is_given(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is mounted into a pod is not here.
    monkeypatch.setattr("worker.settings.read_authorities", str)
    for _, container in containers(example):
        given = variables(container)
        with monkeypatch.context() as patched:
            for name, value in given.items():
                patched.setenv(name, value)
            settings = Settings()
        ours = {name for name in given if name.startswith("PILOTAGE_")}
        assert ours <= {f"PILOTAGE_{name.upper()}" for name in settings.model_fields_set}
        launching._parser().parse_args(container["args"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_workers_together_serve_every_queue(example: str) -> None:
    served = {
        queue
        for _, container in containers(example)
        if container["args"][0] == "worker"
        for queue in container["args"][-1].split(",")
    }
    assert served == set(launching.QUEUES)


def test_a_scaler_looks_at_the_queues_that_its_workers_serve() -> None:
    queues = Queues(installation="production")
    watched = {
        trigger["metadata"]["taskQueue"]: trigger["metadata"]["queueTypes"]
        for scaled in of_kind("temporal-cloud", "ScaledObject")
        for trigger in scaled["spec"]["triggers"]
    }
    activities = [queues.checks, queues.scm, queues.ci, queues.delivery]
    assert watched == {queues.promotions: "workflow", **dict.fromkeys(activities, "activity")}
    assert all(scaled["spec"]["minReplicaCount"] >= 2 for scaled in of_kind("temporal-cloud", "ScaledObject"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_is_scaled_names_no_replicas_of_its_own(example: str) -> None:
    scaled = {
        one["spec"]["scaleTargetRef"]["name"] for one in of_kind(example, "ScaledObject", "HorizontalPodAutoscaler")
    }
    free = {one["metadata"]["name"] for one in of_kind(example, "Deployment") if "replicas" not in one["spec"]}
    assert free == scaled


def rules(example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for role in of_kind(example, "Role", "ClusterRole"):
        yield from ((role["metadata"]["name"], rule) for rule in role["rules"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_secret_is_got_by_its_name_and_never_listed(example: str) -> None:
    verbs = {(name, verb) for name, rule in rules(example) if "secrets" in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {("pilotage-worker", "get"), ("pilotage-receiver", "get")}


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_right_is_a_wildcard_but_the_reading_of_flux_s_kinds(example: str) -> None:
    wild = [rule for _, rule in rules(example) if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])]
    assert all(rule["verbs"] == ["get"] and "toolkit.fluxcd.io" in rule["apiGroups"][0] for rule in wild)


def test_in_named_namespaces_every_right_is_a_role_in_one_of_them() -> None:
    """Their own namespace is none of them: nothing is declared there, and it holds the Secrets of Pilotage itself."""
    assert of_kind("namespaces", "ClusterRole", "ClusterRoleBinding") == []
    places = {one["metadata"]["namespace"] for one in of_kind("namespaces", "Role", "RoleBinding")}
    assert places == {"team-a", "team-b"}


def test_the_development_server_of_an_evaluation_states_that_it_is_none_for_production() -> None:
    marked = [
        one["metadata"]["name"]
        for one in documents("evaluation")
        if one["metadata"].get("annotations", {}).get("pilotage.dev/not-for-production")
    ]
    assert marked == ["pilotage-temporal"]
