"""Text of others on a real kube-apiserver: whatever it is, it is written, and comes back as it was where it may."""

from dataclasses import replace

import pytest

from activities.models.status import EventNote, PublishStatusInput, TestStatus, WaitingFor
from activities.models.tracking import PullRequest, PullRequestState
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import EVENTS, resource_of
from crds.api.publishing import WantedCondition, publish_conditions
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.reasons.vocabulary import Waiting
from crds.texts.plain import plain
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.watcher.samples import Quiet, command, full_status, ref_of, tracker
from worker.watcher.trackers import TRACKERS

COMMANDS = resource_of(PromotionCommand.definition)

PLANES = "".join(
    chr(first + offset)
    for first in range(0, 0x110000, 0x10000)
    for offset in (0x21, 0x300, 0xFFFD)
    if not 0xD800 <= first + offset < 0xE000
)
TEXTS = {
    "emoji": "🚀 ship it 👨‍👩‍👧 🇪🇺",
    "lower planes": PLANES[:26],
    "upper planes": PLANES[26:],
    "controls": "".join(map(chr, range(0xA0))),
    "right to left": "ab\u202eevil\u202c \u2066x\u2069 \u200f שלום",
    "line separators": "a\u0085b\u2028c\u2029d\u000be\u000cf",
    "byte order marks": "\ufeffa\ufffe\uffffb",
    "nul": "a\x00b",
    "lone surrogates": "a\ud83db\ude00",
    "yaml": 'a: "b\\" # c\n- {d: [e\n--- \t!!binary |\n%YAML 9.9\n*x &y',
    "backslashes": r"\ud83d\u0000 \\ud83d \x1b \n \" ",
    "a long line": "é" * 65536,
}


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_status_holds_any_text(api: KubernetesApi, namespace: str, kind: str) -> None:
    text = TEXTS[kind]
    created = await api.create(TRACKERS, namespace, tracker())
    short = text[:200]
    status = replace(
        full_status(1),
        message=text,
        revision=short,
        waiting_for=WaitingFor(
            what=Waiting.VERDICT, object=text, wanted=text, observed=text, unblock_with=text, command=text
        ),
        pull_request=PullRequest(
            number=412,
            title=short,
            author=short,
            branch=short,
            base_branch="main",
            url=f"https://host/{short}",
            head_sha="a" * 40,
            state=PullRequestState.OPEN,
            labels=(text, short, "ok"),
        ),
        tests=(
            TestStatus(
                name="e2e",
                runner=text,
                required=True,
                state="Failed",
                url=text,
                number=text,
                message=text,
                summary=text,
            ),
        ),
    )
    note = EventNote(id="1", warning=True, reason="TestsFailed", message=text)
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    request = PublishStatusInput(tracker=ref_of(created), status=status, events=(note,))
    assert (await resources.publish_status(request)).written
    written = (await api.get(TRACKERS, namespace, "web-412"))["status"]
    for kept, given in (
        (written["revision"], short),
        (written["pullRequest"]["title"], short),
        (written["pullRequest"]["labels"][1], short),
        (written["message"], text),
        (written["waitingFor"]["observed"], text),
        (written["tests"][0]["message"], text),
    ):
        assert len(kept) >= min(len(given), 30)
        assert plain(given).startswith(kept.removesuffix("…"))
    assert len((await api.list_all(EVENTS, namespace)).items) == 1


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_condition_and_a_command_hold_any_text(api: KubernetesApi, namespace: str, kind: str) -> None:
    text = TEXTS[kind]
    created = await api.create(TRACKERS, namespace, tracker())
    assert await publish_conditions(
        api,
        PullRequestTracker.definition,
        namespace=namespace,
        name="web-412",
        uid=created["metadata"]["uid"],
        wanted=(
            WantedCondition(type=ConditionType.ACCEPTED, status=True, reason=ConditionReason.ACCEPTED, message=text),
        ),
    )
    given = command("promote", "staging")
    given["spec"]["reason"] = text[:500]
    made = await api.create(COMMANDS, namespace, given)
    assert made["spec"]["reason"] == plain(text[:500])
    answer = {"status": {"accepted": False, "message": text[:1000]}}
    await api.apply(COMMANDS, namespace, "promote-1", answer, field_manager="test", subresource="status")
    assert (await api.get(COMMANDS, namespace, "promote-1"))["status"]["message"] == plain(text[:1000])
