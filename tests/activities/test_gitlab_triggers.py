"""A trigger whose reply is lost at GitLab: found again, or ended, and never a second pipeline."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.models.testing import TriggerTestInput, TriggerTestResult
from activities.test_runs import CiActivities
from deploy.local.sandbox import seed
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.script import Action
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.http import HttpClients, HttpOptions
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeOpener
from tests.providers.hosts import gitlab_ci

TOKEN = "sandbox-gitlab-developer"
NAMED_BY_VARIABLE = {"workflow_name": "run $PROMOTION_KEY"}
NAMED_BY_INPUT = {"workflow_name": "$[[ inputs.promotion_key ]]"}
NAMELESS = {"workflow_name": None}
DEVELOPER = {"username": "pilotage-bot", "access": "developer"}
READER = {"username": "pilotage-bot", "access": "reporter", "scopes": ["read_api"]}
MAINTAINER = {"username": "pilotage-bot"}


@dataclass(kw_only=True)
class Story:
    """One project, one token, and a runner that uses them."""

    sandbox: Sandbox
    http: HttpClients
    parameters_as: str = "Variables"
    job: str = "main"
    data: Mapping[str, str] = field(default_factory=lambda: {"token": TOKEN})

    def load(self, user: Mapping[str, Any], project: Mapping[str, Any]) -> None:
        inputs = {"promotion_key": {"default": ""}, "REVISION": {"default": ""}}
        self.sandbox.state.load(
            {
                "gitlab": {
                    "tokens": {TOKEN: dict(user)},
                    "projects": {seed.REPOSITORY: {"inputs": inputs, **project}},
                }
            }
        )

    def lose(self, match: str, *, action: Action = Action.ACCEPT_THEN_DROP, **rule: Any) -> None:
        self.sandbox.state.script.add({"system": "gitlab", "match": match, "action": action, "times": 1, **rule})

    def pipelines(self) -> int:
        return len(self.sandbox.state.gitlab.projects[seed.REPOSITORY].pipelines)

    async def trigger(self, attempt: int) -> TriggerTestResult:
        runs = gitlab_ci(
            self.http,
            base=f"{self.sandbox.url}/gitlab/api/v4",
            data=self.data,
            parameters_as=self.parameters_as,
        )
        request = TriggerTestInput(
            namespace="shop",
            runner="gitlab",
            job=self.job,
            key="key-1",
            parameters={"REVISION": "${revision}"},
            variables={"revision": "abc"},
        )
        activities = CiActivities(FakeOpener(runs=runs))
        return await bounded_environment(attempt=attempt).run(activities.trigger_test, request)

    async def refused(self, attempt: int) -> ApplicationError:
        with pytest.raises(ApplicationError) as caught:
            await self.trigger(attempt)
        return caught.value


@pytest_asyncio.fixture
async def story() -> AsyncIterator[Story]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox(options=Options(list_lag_seconds=0), seed=seed.default_seed()) as sandbox:
        yield Story(sandbox=sandbox, http=clients)
    await clients.aclose()


def by_trigger_token(story: Story) -> None:
    story.data = {"token": TOKEN, "triggerToken": seed.GITLAB_TRIGGER_TOKEN}


@pytest.mark.parametrize(
    ("user", "project", "trigger_token", "parameters_as"),
    [
        (MAINTAINER, NAMELESS, False, "Variables"),
        (DEVELOPER, NAMELESS, False, "Variables"),
        (MAINTAINER, NAMELESS, True, "Variables"),
        (READER, NAMED_BY_VARIABLE, True, "Variables"),
        (DEVELOPER, NAMED_BY_INPUT, False, "Inputs"),
        (READER, NAMED_BY_INPUT, True, "Inputs"),
    ],
)
async def test_a_lost_reply_is_found_again_by_a_token_that_may_see_the_key(
    story: Story, user: dict[str, Any], project: dict[str, Any], trigger_token: bool, parameters_as: str
) -> None:
    story.load(user, project)
    story.parameters_as = parameters_as
    if trigger_token:
        by_trigger_token(story)
    story.lose("POST /gitlab/.*/pipeline$")
    assert (await story.refused(1)).type == "ProviderUnavailable"
    assert (await story.trigger(2)).found
    assert story.pipelines() == 1


@pytest.mark.parametrize(
    ("project", "parameters_as"),
    [(NAMELESS, "Variables"), (NAMED_BY_VARIABLE, "Variables"), (NAMED_BY_INPUT, "Inputs")],
)
async def test_a_lost_reply_is_found_again_where_the_job_is_a_whole_ref(
    story: Story, project: dict[str, Any], parameters_as: str
) -> None:
    story.load(MAINTAINER, project)
    story.parameters_as, story.job = parameters_as, "refs/heads/main"
    story.lose("POST /gitlab/.*/pipeline$")
    assert (await story.refused(1)).type == "ProviderUnavailable"
    assert (await story.trigger(2)).found
    assert story.pipelines() == 1


@pytest.mark.parametrize(
    ("project", "parameters_as"),
    [(NAMELESS, "Variables"), (NAMELESS, "Inputs"), ({**NAMED_BY_VARIABLE, "ci_config": "include: ci.yml"}, "Inputs")],
)
async def test_a_lost_reply_whose_key_the_token_may_not_see_ends_the_trigger_and_makes_no_second_pipeline(
    story: Story, project: dict[str, Any], parameters_as: str
) -> None:
    story.load(READER, project)
    story.parameters_as = parameters_as
    by_trigger_token(story)
    story.lose("POST /gitlab/.*/pipeline$")
    assert (await story.refused(1)).type == "ProviderUnavailable"
    for attempt in (2, 3):
        refused = await story.refused(attempt)
        assert (refused.type, refused.non_retryable) == ("TriggerUnknown", True)
    assert story.pipelines() == 1


@pytest.mark.parametrize("rule", [{"status": 500}, {"status": 429}, {"status": 502}])
async def test_a_key_that_cannot_be_read_now_is_no_reason_to_give_up_nor_to_trigger_again(
    story: Story, rule: dict[str, int]
) -> None:
    story.load(MAINTAINER, NAMELESS)
    story.lose("POST /gitlab/.*/pipeline$")
    await story.refused(1)
    story.lose("GET /gitlab/.*/variables", action=Action.STATUS, **rule)
    story.http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    refused = await story.refused(2)
    assert (refused.type, refused.non_retryable) == (
        "ProviderRateLimited" if rule["status"] == 429 else "ProviderUnavailable",
        False,
    )
    # A limit keeps the process from calling for a minute.
    await story.http.aclose()
    story.http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    assert (await story.trigger(3)).found
    assert story.pipelines() == 1
    await story.http.aclose()


async def test_a_trigger_that_never_arrived_is_sent_again_where_all_keys_can_be_seen(story: Story) -> None:
    story.load(DEVELOPER, NAMELESS)
    story.lose("POST /gitlab/.*/pipeline$", action=Action.STATUS, status=503)
    assert (await story.refused(1)).type == "ProviderUnavailable"
    assert not (await story.trigger(2)).found
    assert story.pipelines() == 1


async def test_pipelines_of_others_are_no_obstacle_to_a_first_trigger(story: Story) -> None:
    story.load(DEVELOPER, NAMELESS)
    state = story.sandbox.state.gitlab
    state.create(
        state.projects[seed.REPOSITORY], ref="main", source="api", user="somebody", variables={"A": "b"}, inputs={}
    )
    assert not (await story.trigger(1)).found
    assert story.pipelines() == 2
