"""Stand-ins for hosts on httpx.MockTransport, and what every provider test builds from."""

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client import Counter

from providers.argocd.options import ArgoCDOptions
from providers.azure_devops.options import AzureDevOpsOptions
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions
from providers.gitea.options import GiteaOptions
from providers.github.options import GitHubOptions, StatusesAs
from providers.github_actions.options import GitHubActionsOptions
from providers.gitlab.options import GitLabOptions
from providers.gitlab_ci.options import GitLabCIOptions
from providers.gitlab_ci.starting import ParametersAs
from providers.http import HttpClients, HttpOptions
from providers.jenkins.options import JenkinsOptions
from providers.metrics import ARGOCD_CALLS, CI_CALLS, SCM_CALLS
from providers.models import Credential, ScmIdentity
from providers.models import Route as HttpRoute
from providers.ports import Deployments, ScmHost, TestRuns
from providers.registry import Access, open_deployments, open_scm_host, open_test_runs

IDENTITY = ScmIdentity(
    git_repository="web", git_repository_namespace="shop", scm_provider="github", scm_provider_kind="ScmProvider"
)
TOKEN = "t0ken-that-no-one-may-see"
CALLS = (SCM_CALLS, CI_CALLS, ARGOCD_CALLS)
UNUSED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(body: object = None, status: int = 200, **headers: str) -> httpx.Response:
    """Make a JSON answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        return httpx.Response(status, headers=named)
    return httpx.Response(status, json=body, headers=named)


class MemoryClients(HttpClients):
    """Clients whose answers come from memory: reading the machine's authorities would take longer than all else."""

    async def _trust(self, route: HttpRoute) -> ssl.SSLContext:
        return await super()._trust(route) if route != HttpRoute() else UNUSED


@dataclass(kw_only=True)
class Route:
    method: str
    path: re.Pattern[str]
    answers: list[Answer]


@dataclass(kw_only=True)
class FakeHost:
    """Answer by the first route that matches; a route's answers are used up one by one, the last one stays."""

    requests: list[httpx.Request] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Answer requests whose raw path, query included, matches this expression from its start to its end."""
        self.routes.insert(0, Route(method=method, path=re.compile(path), answers=list(answers)))

    def always(self, *answers: Answer) -> None:
        for method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
            self.on(method, ".*", *answers)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for route in self.routes:
            if route.method == request.method and route.path.fullmatch(request.url.raw_path.decode()):
                found = route.answers.pop(0) if len(route.answers) > 1 else route.answers[0]
                if isinstance(found, Exception):
                    raise found
                made = found(request) if callable(found) else found
                # A response can be streamed once only.
                return httpx.Response(made.status_code, headers=made.headers, content=made.content)
        return answer({"message": f"no route for {request.method} {request.url}"}, 404)

    def http(self, options: Mapping[str, object] | None = None) -> HttpClients:
        fields: dict[str, object] = {"transport": httpx.MockTransport(self.handle), **(options or {})}
        return MemoryClients(HttpOptions(**fields))  # type: ignore[arg-type]

    def paths(self) -> list[str]:
        """Return method and raw path of every request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def body(self, number: int = -1) -> object:
        """Return the JSON body of one request."""
        return json.loads(self.requests[number].content)


def github(
    http: HttpClients,
    *,
    base: str = "https://github.example.com",
    owner: str = "acme",
    data: Mapping[str, str] | None = None,
    token: str = TOKEN,
    app_id: str = "",
    statuses_as: StatusesAs = StatusesAs.COMMIT_STATUSES,
    needs: Mapping[str, str] | None = None,
) -> ScmHost:
    options = GitHubOptions(
        domain=base, owner=owner, repository="web", app_id=app_id, statuses_as=statuses_as, needs=needs or {}
    )
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": token})), IDENTITY)


def gitlab(
    http: HttpClients,
    *,
    base: str = "gitlab.example.com",
    data: Mapping[str, str] | None = None,
    project: str = "acme/web",
) -> ScmHost:
    options = GitLabOptions(domain=base, project=project)
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": TOKEN})), IDENTITY)


def bitbucket_cloud(
    http: HttpClients,
    *,
    base: str = "https://bitbucket.example.com",
    workspace: str = "acme",
    data: Mapping[str, str] | None = None,
) -> ScmHost:
    options = BitbucketCloudOptions(domain=base, workspace=workspace, repository="web")
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": TOKEN})), IDENTITY)


def gitea(
    http: HttpClients,
    *,
    base: str = "https://git.example.com",
    owner: str = "acme",
    name: str = "web",
    data: Mapping[str, str] | None = None,
    made: type[GiteaOptions] = GiteaOptions,
) -> ScmHost:
    options = made(domain=base, owner=owner, repository=name)
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": TOKEN})), IDENTITY)


def azure_devops(
    http: HttpClients,
    *,
    base: str = "https://dev.azure.com",
    project: str = "acme",
    data: Mapping[str, str] | None = None,
    token: str = TOKEN,
) -> ScmHost:
    options = AzureDevOpsOptions(organization="umbrella", domain=base, project=project, repository="web")
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": token})), IDENTITY)


def bitbucket_data_center(
    http: HttpClients,
    *,
    base: str = "https://bitbucket.example.com/context",
    project: str = "acme",
    data: Mapping[str, str] | None = None,
) -> ScmHost:
    options = BitbucketDataCenterOptions(domain=base, project=project, repository="web")
    return open_scm_host(options, Access(http=http, credential=Credential(data=data or {"token": TOKEN})), IDENTITY)


def jenkins(
    http: HttpClients,
    *,
    base: str = "https://ci.example.com/jenkins",
    data: Mapping[str, str] | None = None,
    results: Mapping[str, str] | None = None,
) -> TestRuns:
    credential = Credential(data=data or {"username": "bot", "token": TOKEN})
    return open_test_runs(JenkinsOptions(url=base, results=results or {}), Access(http=http, credential=credential))


def github_actions(
    http: HttpClients,
    *,
    base: str = "https://github.example.com",
    token: str = TOKEN,
    data: Mapping[str, str] | None = None,
    results: Mapping[str, str] | None = None,
) -> TestRuns:
    repository = GitHubOptions(domain=base, owner="acme", repository="web")
    options = GitHubActionsOptions(repository=repository, results=results or {})
    return open_test_runs(options, Access(http=http, credential=Credential(data=data or {"token": token})))


def gitlab_ci(
    http: HttpClients,
    *,
    base: str = "gitlab.example.com",
    data: Mapping[str, str] | None = None,
    results: Mapping[str, str] | None = None,
    project: str = "acme/web",
    parameters_as: str = "Variables",
) -> TestRuns:
    options = GitLabCIOptions(
        project=GitLabOptions(domain=base, project=project),
        results=results or {},
        parameters_as=ParametersAs(parameters_as),
    )
    return open_test_runs(options, Access(http=http, credential=Credential(data=data or {"token": TOKEN})))


def argocd(http: HttpClients, *, base: str = "https://argocd.example.com", token: str = TOKEN) -> Deployments:
    return open_deployments(ArgoCDOptions(server=base), Access(http=http, credential=Credential(data={"token": token})))


def forget_round_trips() -> None:
    """Begin to count from zero. Every set of labels that was recorded before costs each later count."""
    for counter in CALLS:
        counter.clear()


def recorded_round_trips() -> int:
    """Count all records of all systems since they were last forgotten."""
    return sum(_total(counter) for counter in CALLS)


def recorded_codes(counter: Counter) -> set[str]:
    """Return the response codes that a counter has seen."""
    return {
        sample.labels["response_code"]
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def _total(counter: Counter) -> int:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))
