"""Each refusal becomes a reason and a text that names what to fix; outages of ours become retries."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialProofs
from activities.models.credential_checks import CheckConnectionInput, CheckConnectionResult, CheckedResource
from activities.ports import MissingReason, ReferenceMissing, ResourceOpener
from crds.api.ports import ApiForbidden, ApiUnavailable
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.activities.cluster import Cluster, shop
from tests.activities.fakes import FakeDeployments, FakeOpener, FakeRuns, FakeScm

ALL = (("GitRepository", "web"), ("ScmProvider", "github"), ("TestRunner", "jenkins"), ("ArgoCDInstance", "argocd"))


class Broken(FakeOpener):
    """Open nothing, for one reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def ci_runs(self, namespace: str, runner: str) -> FakeRuns:
        raise self._error


def opener() -> FakeOpener:
    return FakeOpener(scm=FakeScm(), runs=FakeRuns(), argocd=FakeDeployments())


def refusing(error: ProviderError) -> FakeOpener:
    errors = {"check": [error]}
    return FakeOpener(
        scm=FakeScm(errors=dict(errors)), runs=FakeRuns(errors=dict(errors)), argocd=FakeDeployments(errors=errors)
    )


async def check(
    opened: ResourceOpener,
    kind: str = "TestRunner",
    name: str = "jenkins",
    *,
    cluster: Cluster | None = None,
    uid: str = "",
) -> CheckConnectionResult:
    proofs = CredentialProofs((cluster or shop()).port(), opened)
    namespace = "" if kind == "ClusterScmProvider" else "shop"
    ref = CheckedResource(kind=kind, namespace=namespace, name=name, uid=uid or f"uid-{name}")
    return await ActivityEnvironment().run(proofs.check_connection, CheckConnectionInput(connection=ref))


@pytest.mark.parametrize(("kind", "name"), ALL)
async def test_an_accepted_credential_is_proved_by_one_call(kind: str, name: str) -> None:
    opened = opener()
    result = await check(opened, kind, name)
    assert (result.outcome.accepted, result.outcome.reason, result.generation) == (True, "CredentialAccepted", 3)
    made = [call for port in (opened.scm, opened.runs, opened.argocd) for call in getattr(port, "calls", ())]
    assert made == ["check"]
    assert result.outcome.version == ("v3.5.7" if kind == "ArgoCDInstance" else "")


async def test_a_cluster_scoped_provider_is_checked_too() -> None:
    cluster = shop()
    spec = {"github": {}, "secretRef": {"name": "shared"}}
    cluster.add("ClusterScmProvider", "shared", spec, namespace="")
    assert (await check(opener(), "ClusterScmProvider", "shared", cluster=cluster)).outcome.accepted
    result = await check(
        refusing(ProviderUnauthorized("no", status=401)), "ClusterScmProvider", "shared", cluster=cluster
    )
    assert "Secret `shared`" in result.outcome.message


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (ProviderUnauthorized("401 Bad credentials", status=401), "Unauthorized", "put a valid one into"),
        (ProviderMisconfigured("the Secret has no key `token`: add it"), "Invalid", "no key `token`"),
        (ProviderUnauthorized("403 denied", status=403), "Forbidden", "grant it"),
        (ProviderNotFound("404", status=404), "NotFound", "fix the"),
        (ProviderUnavailable("connection refused"), "Unavailable", "address"),
        (ProviderMalformed("HTML for JSON"), "Unavailable", "no usable answer"),
        (ProviderRejected("no such project"), "Invalid", "fix the spec"),
        (ProviderMisconfigured("http:// is not allowed: use https://"), "Invalid", "use https://"),
    ],
)
@pytest.mark.parametrize(("kind", "name"), ALL)
async def test_each_refusal_has_a_reason_and_names_what_to_fix(
    kind: str, name: str, error: ProviderError, reason: str, advice: str
) -> None:
    outcome = (await check(refusing(error), kind, name)).outcome
    assert (outcome.accepted, outcome.reason) == (False, reason)
    assert advice in outcome.message
    assert str(error) in outcome.message


@pytest.mark.parametrize(("kind", "name"), ALL)
async def test_what_keeps_anything_from_being_sent_is_no_verdict_on_the_credential(kind: str, name: str) -> None:
    outcome = (await check(refusing(ProviderMisconfigured("http:// is not allowed: use https://")), kind, name)).outcome
    assert "credential" not in outcome.message
    assert "Secret" not in outcome.message


async def test_the_secret_to_fix_is_named() -> None:
    error = ProviderUnauthorized("401", status=401)
    assert "Secret `jenkins-token`" in (await check(refusing(error))).outcome.message
    message = (await check(refusing(error), "GitRepository", "web")).outcome.message
    assert "the Secret of ScmProvider `github`" in message


async def test_a_rate_limit_is_no_verdict_and_its_pause_is_kept() -> None:
    error = ProviderRateLimited("slow down", status=429, retry_after=timedelta(minutes=7))
    result = await check(refusing(error))
    assert (result.outcome.accepted, result.outcome.reason) == (None, "RateLimited")
    assert result.retry_after == timedelta(minutes=7)


@pytest.mark.parametrize(
    ("what", "given", "reason"),
    [
        ("Secret/jenkins-token", "SecretNotFound", "SecretNotFound"),
        ("Secret/jenkins-token", "Forbidden", "Forbidden"),
        ("Secret/ca", "NoKey", "SecretNotFound"),
        ("ScmProvider/github", "NotFound", "ReferenceNotFound"),
        ("ClusterScmProvider/shared", "NamespaceNotAllowed", "NamespaceNotAllowed"),
        ("ScmProvider/github", "Invalid", "Invalid"),
    ],
)
async def test_what_is_missing_has_a_reason_and_keeps_its_message(what: str, given: str, reason: str) -> None:
    missing = ReferenceMissing(what, MissingReason(given), "create it", fields=("spec.jenkins: is required",))
    outcome = (await check(Broken(missing))).outcome
    assert (outcome.accepted, outcome.reason) == (False, reason)
    assert outcome.message.startswith("create it")


async def test_a_missing_right_in_the_cluster_is_shown() -> None:
    outcome = (await check(Broken(ApiForbidden("namespaces is forbidden", status=403)))).outcome
    assert (outcome.accepted, outcome.reason) == (False, "Forbidden")
    assert "fix the worker's Role" in outcome.message


async def test_a_resource_that_is_gone_or_recreated_ends_the_matter() -> None:
    cluster = shop()
    assert (await check(opener(), cluster=cluster, uid="uid-before")).gone
    cluster.remove("TestRunner", "jenkins")
    opened = opener()
    assert (await check(opened, cluster=cluster)).gone
    assert isinstance(opened.runs, FakeRuns)
    assert opened.runs.calls == []


@pytest.mark.parametrize("error", [ApiUnavailable("no answer in time"), ProviderBusy("too many calls")])
async def test_an_outage_of_ours_is_a_retry_and_never_a_verdict(error: Exception) -> None:
    with pytest.raises(ApplicationError) as caught:
        await check(Broken(error))
    assert not caught.value.non_retryable


async def test_no_credential_that_a_host_echoes_is_shown() -> None:
    error = ProviderUnauthorized("bad token ghp_0123456789abcdef", status=401)
    assert "ghp_0123456789" not in (await check(refusing(error))).outcome.message
