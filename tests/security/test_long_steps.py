"""To stop everybody's work by what is worked on in one step: each function that takes what tenants or hosts wrote.

The functions are found by the types of their parameters, so that a new one is missed here until it is measured; those
of worker/opening/ copy field by field what was read.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from types import FrameType, FunctionType, ModuleType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

import activities
import crds.texts
import providers.application_models
import providers.models
import providers.pull_request_lists
import worker.receiver
import worker.watcher
from activities import (
    configuration,
    credential_checks,
    environments,
    observing,
    pull_requests,
    reduced_status,
    refusals,
    resources,
    sync_windows,
    targets,
)
from activities.delivery import argocd, flux_specs
from activities.deployments import order_of
from activities.drift import judging
from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.credential_checks import CheckedResource
from activities.models.delivery import SyncApplicationInput
from activities.models.status import PublishPlaceInput, PublishStatusInput, TrackerStatus
from activities.models.tracking import Artifact, RepositoryView
from crds import paths
from crds.api.ports import Document
from crds.api.reflector import Key
from crds.reasons.vocabulary import State
from crds.resource import Resource
from crds.schema.definitions import object_schema
from crds.texts import log_line, markdown, plain, slack, terminal
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.promotion_policy import PromotionPolicy
from providers.application_models import ApplicationState, SyncWindow
from providers.argocd.applications import read_application
from providers.argocd.targets import locate, patch_operations
from providers.documents import TEXT_LIMIT_BYTES
from providers.errors import ProviderUnauthorized
from providers.models import ChangeState, HostPullRequest
from tests.architecture.largest import largest
from tests.crds.resources import document
from tests.providers.fuzzing.answers import APPLICATION, SHA
from tests.security import largest_inputs
from tests.security.measuring import Work, is_short, seconds
from tests.security.test_large_resources import OBJECT_BYTES, large_policy, large_repository, largest_of_schema, of_flux
from worker.receiver import entries as received
from worker.watcher import claims, declarations, entries, waking

pytestmark = pytest.mark.usefixtures("own_garbage_only")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEVERE = ("`", "a`", "\\", "|", "@a ", "<!-- ", "\u202e", "\ud800", "\r\n", "$", "[", "🚢", "x")
TEXTS = tuple((one * 65_536)[:65_536] for one in SEVERE)
"""As long as the longest comment of a host."""
GLOBS = ("**/" * 170, "?*" * 256, "a" * 512, "*a" * 256, f"**/{'a?' * 200}*b")
TEMPLATE = "${component.name}" * 12 + "${revision}!"


REPOSITORY = RepositoryView(name="web", owner="acme", repository="web", full_name="acme/web", components=())
WRITES = (
    None,
    WriteSpec(kind=WriteKind.TARGET_REVISION),
    WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image="web"),
    WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="p"),
    WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="p", source_path="x"),
)


def _fill(entry: object) -> list[Any]:
    """Return as many of an entry as the largest object has room for."""
    return [entry] * (OBJECT_BYTES // (len(json.dumps(entry)) + 2))


def _state(spec: Document, status: Document) -> ApplicationState:
    whole = json.loads(json.dumps(APPLICATION))
    return read_application(
        {**whole, "spec": {**whole["spec"], **spec}, "status": {**whole["status"], **status}}, "https://cd.example"
    )


def _states() -> Iterator[ApplicationState]:
    """Yield applications that are as large as the bounds of their reader allow, each in another way."""
    image = f"web:{'a' * 127}!"
    source = {"repoURL": "https://git.example/acme/web", "targetRevision": SHA, "path": "x"}
    yield _state({"sources": [{**source, "kustomize": {"images": _fill("web:a")[:2000]}}]}, {})
    yield _state({"sources": [{**source, "helm": {"parameters": _fill({"name": "p", "value": "v"})[:2000]}}]}, {})
    large = [{"name": f"p{number}", "value": "v" * 4000} for number in range(2000)]
    yield _state({"sources": [{**source, "helm": {"parameters": large}}]}, {})
    yield _state({"sources": [{**source, "targetRevision": f"{n}{'x' * TEXT_LIMIT_BYTES}"} for n in range(100)]}, {})
    yield _state({}, {"summary": {"images": [f"{image}{n}" for n in range(2000)]}})
    yield _state({}, {"summary": {"images": [f"web:{'a' * 4000}{n}" for n in range(300)]}})
    resource = {"kind": "X", "name": "x" * 60, "requiresPruning": True, "health": {"status": "Degraded"}}
    yield _state({}, {"resources": _fill(resource)[:20_000]})
    yield _state({}, {"conditions": _fill({"type": "SyncError", "message": "x" * 3000})})


def _of_applications() -> Iterator[Work]:
    for state in _states():
        for write in WRITES:
            for image in (None, "web"):
                yield partial(_work_on, replace(DEPLOYMENT, write=write, image=image, tag=TEMPLATE), state)


DEPLOYMENT = DeploymentSpec(
    name="web", component="web", instance="cd", project="shop", application="web", write=None, wave=0,
    repository="acme/web",
)  # fmt: skip


def _work_on(deployment: DeploymentSpec, state: ApplicationState) -> None:
    target = targets.target_of(deployment)
    place = locate(target, state)
    seen = observing.observe(deployment, state, place)
    observing.needs_refresh(state)
    found = judging.parameters_of("u", deployment, state)
    judging.judge(judging.Promoted(uid="u", revision=SHA, parameters=found), deployment, seen, found)
    patch_operations(target, state, SHA)
    argocd.prunes(deployment, state)
    argocd.leaves_to_argocd(state)
    request = SyncApplicationInput(
        namespace="shop", deployment=deployment, artifact=Artifact(component="web", revision=SHA), key="k"
    )
    argocd.before_sync(order_of(request), state, place)


def _of_declarations() -> Iterator[Work]:
    for kind, model in BY_KIND.items():
        spec = largest_of_schema(object_schema(model)["properties"]["spec"], OBJECT_BYTES, True)
        made = {**document(kind, "x", {}), "spec": spec}
        made["metadata"]["uid"] = "u"
        yield partial(_read_declaration, model, made)
        if kind in RECEIVED:
            yield partial(_receive, RECEIVED[kind], made)
    yield partial(configuration.to_snapshot, PromotionPolicy.from_wire(large_policy(1)))
    yield partial(environments.view_repository, GitRepository.from_wire(large_repository()))
    place = Environment.from_wire(of_flux())
    yield partial(_brought_by_flux, place)
    yield partial(refusals.note_read, place)
    yield partial(waking.places_of, place)
    yield partial(waking.named_in, {Key("shop", str(number)): place for number in range(1000)}, "shop")


def _brought_by_flux(place: Environment) -> None:
    spec = replace(DEPLOYMENT, image="web", tag=TEMPLATE)
    for one in place.spec.deployments:
        if one.flux is not None:
            flux_specs.brought_by_flux(spec, place, one, one.flux, REPOSITORY)


RECEIVED: Mapping[str, Callable[[Document], object]] = {
    "GitRepository": received.read_repository,
    "ScmProvider": received.read_provider,
    "TestRunner": received.read_runner,
    "Environment": received.read_environment,
    "ArgoCDInstance": received.read_uid,
}


def _receive(read: Callable[[Document], object], made: Document) -> None:
    with suppress(ValueError):
        read(made)


def _read_declaration(model: type[Resource], made: Document) -> None:
    with suppress(ValidationError):
        declarations.read_declaration(model)(made)


def _tracker(status: Document) -> Document:
    spec = {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev"}
    made = document("PullRequestTracker", "web-1", spec)
    return {**made, "metadata": {**made["metadata"], "uid": "u", "resourceVersion": "1"}, "status": status}


@cache
def _rendered() -> Document:
    return resources.render_tracker_status(largest(PublishStatusInput).status, _tracker({}))


def _of_statuses() -> Iterator[Work]:
    whole = _tracker(_rendered())
    yield partial(reduced_status.with_past, whole["status"], whole)
    yield partial(entries.read_tracker, whole)
    yield partial(received.read_tracker, whole)
    yield from largest_inputs.of_ended(whole)
    yield from largest_inputs.of_monitors()
    forged = {
        "conditions": [{"type": "x", "status": "True", "message": "x" * OBJECT_BYTES}],
        "waitingFor": {"what": "x"},
    }
    yield partial(entries.read_tracker, _tracker(forged))
    place = largest(PublishPlaceInput).status
    environment = document("Environment", "prod", {})
    render = resources.render_place_status
    yield lambda: list(reduced_status.reduced_place_entries(place, environment, "x" * 4096, render=render))
    spec = largest_of_schema(object_schema(PromotionCommand)["properties"]["spec"], OBJECT_BYTES, True)
    command = {**_tracker({"claimedBy": "x" * OBJECT_BYTES, "claimedAt": "9" * 5000}), "spec": spec}
    yield partial(claims.read_claim, command)
    yield partial(_read_command, command)


def _read_command(command: Document) -> None:
    with suppress(ValidationError):
        entries.read_command(command)


def _of_hosts() -> Iterator[Work]:
    text = "x" * TEXT_LIMIT_BYTES
    change = HostPullRequest(
        number=1, title=text, author=text, url=text, state=ChangeState.OPEN, head_sha=SHA, merge_sha=None,
        branch=text, base_branch=text, labels=(text,) * 100,
    )  # fmt: skip
    yield partial(pull_requests.to_pull_request, change)
    yield from largest_inputs.of_repositories(change)
    yield from largest_inputs.of_steering()
    yield from largest_inputs.of_posting()
    windows = (SyncWindow(kind="deny", schedule="* * * * *", duration="1h", until=NOW),) * 20_000
    yield partial(sync_windows.ends_at, windows)
    connection = CheckedResource(kind="TestRunner", namespace="shop", name="ci", uid="u")
    refusal = ProviderUnauthorized(text, status=401)
    runner = document("TestRunner", "ci", {"secretRef": {"name": "x" * 253}})
    yield partial(credential_checks.explain, refusal, connection, runner)


def _of_texts() -> Iterator[Work]:
    for text in TEXTS:
        yield partial(plain.plain, text)
        yield partial(plain.one_line, text)
        yield partial(plain.counted, 2, text)
        yield partial(markdown.inline, text)
        yield partial(markdown.cell, text)
        yield partial(markdown.code, text)
        yield partial(markdown.link, text[:1000], f"https://{text[:TEXT_LIMIT_BYTES]}")
        yield partial(slack.inline, text)
        yield partial(slack.link, text[:1000], f"https://{text[:TEXT_LIMIT_BYTES]}")
        yield partial(log_line.one_record, text)
        yield partial(log_line.in_margin, text)
        yield partial(terminal.visible, text)
        yield partial(terminal.needs_quotes, text)
        # Of the command line, which serves one person, and of what is written: at most what etcd takes.
        yield partial(terminal.escaped, text)


def _of_globs() -> Iterator[Work]:
    for glob in GLOBS:
        yield partial(paths.path_error, glob)
        yield partial(paths.matches_name, glob[:256], "a/" * 128)
        yield partial(paths.Globs([glob]).match, "a/" * 128)
        yield partial(_overlap, glob)


def _overlap(glob: str) -> None:
    with suppress(paths.TooCostly):
        paths.overlap(glob, f"{glob}b")


WORKS: Mapping[str, Callable[[], Iterator[Work]]] = {
    "applications": _of_applications,
    "declarations": _of_declarations,
    "statuses": _of_statuses,
    "answers of hosts": _of_hosts,
    "texts": _of_texts,
    "globs": _of_globs,
}


@pytest.mark.parametrize("name", WORKS)
def test_to_stop_everybodys_work_by_what_is_worked_on_in_one_step(name: str) -> None:
    works = list(WORKS[name]())
    for work in works:
        work()
    # What interferes only adds.
    assert is_short(lambda: max(min(seconds(work), seconds(work)) for work in works))


HOSTS_VALUES = {
    one
    for module in (providers.models, providers.application_models, providers.pull_request_lists)
    for one in vars(module).values()
    if isinstance(one, type) and one.__module__ == module.__name__
}


def _modules() -> Iterator[ModuleType]:
    yield paths
    for package in (activities, crds.texts, worker.receiver, worker.watcher):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(module.name)


def _is_theirs(hint: object, module: ModuleType) -> bool:
    """Return whether tenants or hosts write such a value; those of texts and globs take texts alone."""
    if hint is str:
        return module is paths or module.__name__.startswith("crds.texts.")
    if hint == dict[str, Any] or (isinstance(hint, type) and (issubclass(hint, Resource) or hint in HOSTS_VALUES)):
        return True
    return any(_is_theirs(inner, module) for inner in get_args(hint))


def _functions() -> set[str]:
    found: set[str] = set()
    for module in _modules():
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                hints = get_type_hints(function)
                hints.pop("return", None)
                public = not name.startswith("_") and not inspect.iscoroutinefunction(function)
                if public and any(_is_theirs(hint, module) for hint in hints.values()):
                    found.add(f"{module.__name__}.{name}")
    return found


def test_every_function_that_takes_what_others_wrote_is_measured() -> None:
    reached: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            reached.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")

    before = sys.getprofile()
    for make in WORKS.values():
        for work in make():
            sys.setprofile(note)
            try:
                work()
            finally:
                sys.setprofile(before)
    assert len(_functions()) > 40
    assert _functions() - reached == IN_A_THREAD


IN_A_THREAD = {"activities.resources.render_tracker_status"}
"""What is known to take longer, and runs in a thread."""


async def test_the_largest_status_is_rendered_next_to_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def render(_status: TrackerStatus, _document: Document) -> Document:
        threads.append(threading.get_ident())
        return {}

    monkeypatch.setattr(resources, "render_tracker_status", render)
    await resources._rendered(largest(PublishStatusInput).status, _tracker({}))
    await resources._rendered(TrackerStatus(state=State.TESTING, sequence=1, attempt=1), _tracker({}))
    assert [one == threading.get_ident() for one in threads] == [False, True]
