"""What everybody may read on a pull request: no host, no Secret, no kind of error, and still what people act by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.revisions import (
    CommitState,
    DeliveryState,
    DesiredDeployment,
    DesiredStatus,
    Mention,
    PresentInput,
)
from activities.presentation import present
from activities.public_texts import made_public, without_internals
from crds.v1alpha1.git_repository import Show
from tests.activities.fakes import FakeScm

UI = "https://temporal.internal.example/namespaces/default/workflows/w"
CI = "[7](https://ci.internal.example/job/e2e/7)"
ANSWER = "ProviderUnavailable: HTTP 503 from ci.internal.example:8443"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ANSWER, "HTTP 503 from a host"),
        ("GET https://argocd.acme.corp/api/v1/applications gives 401", "GET a host gives 401"),
        ("connect to 10.0.0.17:6443 failed", "connect to a host failed"),
        ("cannot reach jenkins:8080.", "cannot reach a host."),
        ("fd00:10:244::17 does not answer", "a host does not answer"),
        ("put a valid one into Secret `jenkins-token`", "put a valid one into a Secret"),
        ("Secret/jenkins-token does not exist", "a Secret does not exist"),
        ("`argocd.acme.corp` gives no usable answer", "`a host` gives no usable answer"),
    ],
)
def test_hosts_secrets_and_kinds_of_errors_are_left_out(text: str, shown: str) -> None:
    assert without_internals(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "fix the credential of TestRunner/jenkins, or its rights",
        "the Secret of ScmProvider `github` has no key",
        "e2e.yml failed in charts/web/values.yaml",
        "web-prod runs 41200000, wanted 1.4.0 or web:1.4.0",
        "comment `/pilotage retest` here, or `pilotage -n shop retest web-412`",
        "since 2026-01-02 12:00:00 UTC, 41 passed, 1 failed",
        f"| e2e | ci | yes | Passed | {CI} |",
    ],
)
def test_what_people_act_by_stays(text: str) -> None:
    assert without_internals(text) == text


@given(st.text(alphabet="ab.1:/`[]() \n", max_size=400))
def test_a_text_that_is_public_already_is_left_alone(text: str) -> None:
    once = without_internals(text)
    assert without_internals(once) == once


def wanted() -> PresentInput:
    return PresentInput(
        namespace="shop",
        repository="web",
        number=412,
        marker="main/shop/web-412",
        state_label="pilotage/testing",
        comment=f"### Pilotage\n\n{ANSWER}\n\n{CI}\n\n[Workflow]({UI})",
        mentions=(Mention(key="1", body=f"@mona {ANSWER}"),),
        statuses=(DesiredStatus(sha="a" * 40, context="c", state=CommitState.PENDING, description=ANSWER, url=UI),),
        deployments=(DesiredDeployment(environment="prod", sha="a" * 40, state=DeliveryState.QUEUED, log_url=UI),),
        ui_url=UI,
    )


def test_every_part_of_a_presentation_is_made_public() -> None:
    shown = made_public(wanted())
    assert "internal.example" not in repr(shown).replace(CI, "").replace(f"ui_url='{UI}'", "")
    assert CI in shown.comment
    assert (shown.statuses[0].url, shown.deployments[0].log_url) == ("", "")


@pytest.mark.parametrize("internals", [True, False])
async def test_a_pull_request_shows_internals_only_where_the_repository_asks_for_them(internals: bool) -> None:
    scm = FakeScm()
    await present(scm, wanted(), None, Show(internals=internals))
    texts = [one.body for one in scm.stored_comments] + [one.description for _, one in scm.stored_statuses]
    assert all(("internal.example:8443" in one) is internals for one in texts)
    assert len(texts) == 3
