"""To stop everybody's work by what a tenant declared: no rule over the largest resources takes long in one step."""

import asyncio
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

import crds.rules
from crds.paths import path_error
from crds.resource import Resource
from crds.rules.documents import validate_document
from crds.rules.environments import validate_environment, validate_repository
from crds.rules.event_sinks import validate_event_sink
from crds.rules.flux import pattern_error, validate_provider
from crds.rules.flux_deliveries import tag_edit
from crds.rules.promotion_policies import validate_policy
from crds.rules.references import reference_errors
from crds.rules.repositories import conflict_errors, discovery_errors, oldest_of
from crds.rules.secrets import consent_errors, users_of
from crds.rules.selection import WAY_LIMIT, PolicyIndex, environments_ahead, select_policy
from crds.rules.shared_applications import claimant, names_of, owners_of, server_of, taken_errors
from crds.rules.ways import Ways
from crds.schema.definitions import object_schema
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.promotion_policy import PromotionPolicy
from tests.crds.resources import a_test, deployment, document, environment_document, policy_document, repository, runner
from tests.security.measuring import Work, is_short, longest_step, seconds

pytestmark = pytest.mark.usefixtures("own_garbage_only")
OBJECT_BYTES = 1_500_000
"""The largest resource that etcd takes."""
GITLAB = {
    "gitlabCI": {"repositoryRef": {"name": "web"}, "parametersAs": "Inputs"},
    "secretRef": {"name": "s"},
}
ARGOCD = {"server": "https://argocd.example.com", "secretRef": {"name": "token"}}


def large_repository() -> dict[str, Any]:
    """Return a repository of globs that all begin with a wildcard, the kind that has to be compared in full."""
    components = [
        {"name": f"c{group}", "paths": [f"**/{'?*' * 100}{group}-{number}/**" for number in range(50)]}
        for group in range(50)
    ]
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}, "components": components}
    return document("GitRepository", "web", spec)


def large_policy(repeated: int) -> dict[str, Any]:
    parameters = {f"P{number}": "${source.vars.A}" * repeated for number in range(64)}
    return policy_document("dev", "prod", tests=[a_test(f"t{number}", parameters=parameters) for number in range(50)])


def _gated_environment() -> dict[str, Any]:
    references = [{"name": f"r{number}"} for number in range(100)]
    gates = [{"name": f"t{number}", "repositoryRefs": references} for number in range(50)]
    return environment_document("prod", gates={"tests": gates, "people": True})


def _environment() -> dict[str, Any]:
    deployments = [deployment(f"d{number}", component=f"c{number}") for number in range(100)]
    return environment_document("prod", *deployments, vars={f"V{number}": "x" * 1024 for number in range(50)})


def of_flux() -> dict[str, Any]:
    """Return a place of a hundred deployments by Flux, each of which stands in the last of many edits."""
    edits = [{"file": f"apps/{number}.yaml", "yamlPath": "spec.x", "value": "y"} for number in range(19)]
    edits.append({"file": "apps/last.yaml", "yamlPath": "spec.tag", "value": "${artifact.tag}"})
    git = {"repositoryRef": {"name": "web"}, "branch": "main", "edits": edits}
    deployments = [
        {
            "name": f"d{number}",
            "repositoryRef": {"name": "web"},
            "component": f"c{number}",
            "flux": {"kustomization": f"k{number}", "namespace": "apps"},
        }
        for number in range(100)
    ]
    return environment_document("prod", *deployments, write=False) | {
        "spec": {"deployments": deployments, "write": {"git": git}}
    }


def _of_flux_deliveries() -> Work:
    place = Environment.from_wire(of_flux())
    return lambda: [tag_edit(place, one) for one in place.spec.deployments]


def _of_references() -> Work:
    place = Environment.from_wire(_environment())
    declared = {f"r{number}": repository(name=f"r{number}") for number in range(1000)}
    return lambda: reference_errors(place, lambda _kind: declared)


def _of_policy(repeated: int) -> Work:
    read = PromotionPolicy.from_wire(large_policy(repeated))
    others = [PromotionPolicy.from_wire(policy_document(f"e{n}", f"e{n + 1}", name=f"p{n}")) for n in range(200)]
    place = Environment.from_wire(_environment())
    return lambda: validate_policy(read, environments={"prod": place}, all_policies=others)


def _of_ways() -> Work:
    """Follow a policy for all repositories along as many policies, each of which a repository has of its own."""
    general = [PromotionPolicy.from_wire(policy_document(f"e{n}", f"e{n + 1}", name=f"p{n}")) for n in range(40)]
    own = [
        PromotionPolicy.from_wire(
            policy_document(f"e{n}", f"e{n + 2}", *(f"r{n}-{one}" for one in range(100)), name=f"q{n}")
        )
        for n in range(1, 40)
    ]
    index = PolicyIndex([*general, *own])

    def work() -> None:
        [error] = validate_policy(general[0], all_policies=index)
        assert error.path == "spec.repositoryRefs"

    return work


def _of_gates() -> Work:
    references = [f"r{number}" for number in range(100)]
    read = PromotionPolicy.from_wire(
        policy_document("dev", "prod", *references, tests=large_policy(1)["spec"]["tests"])
    )
    place, one = Environment.from_wire(_gated_environment()), repository(name="r0")
    runners = {"jenkins": runner("jenkins", **GITLAB)}
    return lambda: validate_policy(read, environments={"prod": place}, repositories={"r0": one}, runners=runners)


def _of_selection() -> Work:
    policies = [PromotionPolicy.from_wire(policy_document(f"e{n}", f"e{n + 1}", name=f"p{n}")) for n in range(1000)]
    places = {"e5": Environment.from_wire(_environment())}

    def work() -> None:
        assert select_policy(policies, environment="e5", repository="web").policy is policies[5]
        assert len(environments_ahead(policies, environment="e0", repository="web", environments=places)) == WAY_LIMIT
        [way] = Ways(PolicyIndex(policies), places).of(policies[0], "web")
        assert way.too_long

    return work


def _of_consent() -> Work:
    instance = ArgoCDInstance.from_wire(document("ArgoCDInstance", "argocd", ARGOCD))
    return lambda: consent_errors({"metadata": {"name": "other"}}, users_of([instance] * 1000))


def _of_applications() -> Work:
    mine = Environment.from_wire(_environment())
    instance = ArgoCDInstance.from_wire(document("ArgoCDInstance", "argocd", ARGOCD))

    def work() -> None:
        servers = {("shop", "argocd"): server_of(instance)}
        owners = dict.fromkeys(names_of(mine, servers).values(), replace(claimant(mine), name="a"))
        assert len(taken_errors(mine, owners, servers)) == 100

    return work


def _of_environment() -> Work:
    read = Environment.from_wire(_environment())
    repository = GitRepository.from_wire(large_repository())
    return lambda: validate_environment(read, repositories={"web": repository})


def _of_repository() -> Work:
    read = GitRepository.from_wire(large_repository())
    return lambda: validate_repository(read)


def _of_repositories() -> Work:
    """Compare one with others of its namespace, the youngest of which names the same."""
    branches = [{"baseBranch": f"b{number}", "environment": f"e{number}"} for number in range(50)]
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    mine = GitRepository.from_wire(document("GitRepository", "web", {**spec, "discovery": {"baseBranches": branches}}))
    others = [repository(name=f"r{number}") for number in range(1000)]
    others.append(GitRepository.from_wire(document("GitRepository", "a", spec)))

    def work() -> None:
        assert len(conflict_errors(mine, oldest_of(others))) == 1
        assert len(discovery_errors(mine, {})) == 50

    return work


ADDRESSES = {
    "github": f"https://github.com/{'/' * 2000}",
    "gitlab": f"https://gitlab.com/{'a/' * 1000}web",
    "gitea": f"git@{'a.-' * 500}:{'a/' * 250}",
    "bitbucketserver": f"https://bitbucket.example/{'scm/' * 500}",
    "azuredevops": f"https://dev.azure.com/{'DefaultCollection/' * 100}_git/web",
    "bitbucket": f"https://bitbucket.org/{'%2f' * 600}",
}
EXPRESSIONS = (
    "'x'+" * 500 + "'x'",
    "(" * 1000,
    "[1].map(a," * 60 + "'x'" + ")" * 60,
    "[" + "1," * 1000 + "1].size()==1 ? 'a' : 'b'",
    "event" + ".map(x,x)" * 200,
    "true ? 'a' : " * 150 + "'b'",
)
"""Each way of CEL to be long, nested or expanded."""
PATTERNS = (
    "(?i)" + "\\pL" * 340,
    "\\PL" * 340,
    "(a{1000})" * 113,
    "(" * 512 + ")" * 512,
    "(a|b)*" * 170,
    "\\pL{500}" * 110,
)
"""Each way of RE2 to be large, at the length of a field. A CommitStatus has forty, one step each."""


def _of_providers() -> Work:
    def provider(kind: str, expression: str) -> Provider:
        spec = {
            "type": kind, "address": ADDRESSES[kind][:2048], "secretRef": {"name": "s"},
            "commitStatusExpr": expression,
        }  # fmt: skip
        return Provider.from_wire(document("Provider", "git", spec))

    read = [provider(kind, expression) for kind, expression in zip(ADDRESSES, EXPRESSIONS, strict=True)]
    return lambda: [validate_provider(one) for one in read]


def _of_sinks() -> Work:
    spec = {
        "type": "Webhook",
        "url": f"https://{'h' * 2000}",
        "repositoryRefs": [{"name": f"r{number}"} for number in range(100)],
        "environments": [f"e{number}" for number in range(100)],
    }
    sink = EventSink.from_wire(document("EventSink", "chat", spec))
    others = {f"x{number}": None for number in range(10_000)}
    return lambda: validate_event_sink(sink, repositories=others, environments=others)


def _resource(made: dict[str, Any]) -> Work:
    """Read it as processes do; the rules of its schema are for the API server and for `pilotage validate`."""
    assert len(json.dumps(made)) <= OBJECT_BYTES
    assert validate_document(made) == []
    return lambda: BY_KIND[made["kind"]].from_wire(made)


def _with(function: Callable[..., object], *arguments: object) -> Work:
    return lambda: function(*arguments)


RULES: Mapping[str, Callable[[], Work]] = {
    "a glob": lambda: _with(path_error, "**/" * 170),
    "globs of a repository, compared": _of_repository,
    "a policy, read": lambda: _resource(large_policy(25)),
    "a policy, judged": lambda: _of_policy(1),
    "a policy that is too large, judged": lambda: _of_policy(25),
    "a policy, judged by the gates of a place": _of_gates,
    "a policy, selected": _of_selection,
    "a policy, followed along those of many repositories": _of_ways,
    "a Secret, judged": _of_consent,
    "the applications of an environment": _of_applications,
    "an environment, read": lambda: _resource(_environment()),
    "an environment, judged": _of_environment,
    "an environment, judged by what it refers to": _of_references,
    "an environment that Flux brings, judged": _of_flux_deliveries,
    "a repository, compared with others": _of_repositories,
    "providers of commit statuses, judged": _of_providers,
    "an event sink, judged": _of_sinks,
    **{f"a pattern, judged ({number})": partial(_with, pattern_error, one) for number, one in enumerate(PATTERNS)},
    "a repository, read": lambda: _resource(large_repository()),
}


@pytest.mark.parametrize("name", RULES)
def test_to_stop_everybodys_work_by_a_large_resource(name: str) -> None:
    work = RULES[name]()
    work()
    assert is_short(lambda: seconds(work))


def _takes_resource(hint: object) -> bool:
    if inspect.isclass(hint) and issubclass(hint, Resource):
        return True
    return any(map(_takes_resource, get_args(hint)))


def _rules() -> set[str]:
    """Find every public rule over what people declare, by the types of its parameters."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(crds.rules.__path__, "crds.rules."):
        loaded = importlib.import_module(module.name)
        for name, function in vars(loaded).items():
            if inspect.isfunction(function) and function.__module__ == module.name and not name.startswith("_"):
                hints = get_type_hints(function)
                hints.pop("return", None)
                if any(map(_takes_resource, hints.values())):
                    found.add(f"{module.name}.{name}")
    return found


IN_THREADS = {"crds.rules.flux.validate_commit_status"} | {
    f"crds.rules.shared_branches.{name}" for name in ("branch_errors", "values_of", "writers_of", "writes_branches")
}
"""What may take longer, and runs in a thread: files (tests/security/test_shared_applications.py), forty patterns."""


def test_every_rule_over_what_people_declare_is_measured() -> None:
    reached: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        reached.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")

    works = [make() for make in RULES.values()]
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for work in works:
            work()
        asyncio.run(owners_of([], {}))
    finally:
        sys.setprofile(before)
    assert len(_rules()) > 10
    assert _rules() - reached == IN_THREADS


@pytest.mark.parametrize("kind", BY_KIND)
@pytest.mark.parametrize("right", [True, False])
def test_to_stop_everybodys_work_by_the_largest_resource_of_a_kind(kind: str, right: bool) -> None:
    """Also by one that an older schema let in, each of whose texts is refused."""
    model = BY_KIND[kind]
    spec = largest_of_schema(object_schema(model)["properties"]["spec"], OBJECT_BYTES, right)
    made = {"metadata": {"name": "x", "namespace": "shop"}, "spec": spec}

    def work() -> None:
        with suppress(ValidationError):
            model.from_wire(made)

    work()
    assert is_short(lambda: seconds(work))


def largest_of_schema(schema: Mapping[str, Any], room: int, right: bool) -> object:
    """Return about the largest value that a schema takes in so many bytes; not `right` has numbers for texts."""
    if "enum" in schema:
        return schema["enum"][0]
    if fields := schema.get("properties"):
        return {name: largest_of_schema(inner, room // len(fields), right) for name, inner in fields.items()}
    match schema.get("type"):
        case "object":
            count = min(schema.get("maxProperties", room), room // 40 + 1)
            inner = schema.get("additionalProperties", {})
            return {f"K{number:06d}": largest_of_schema(inner, room // count - 12, right) for number in range(count)}
        case "array":
            least = len(json.dumps(largest_of_schema(schema["items"], 1, right)))
            count = min(schema.get("maxItems", room), room // (least + 2) + 1)
            return [largest_of_schema(schema["items"], room // count - 2, right) for _ in range(count)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return "x" * max(1, min(schema.get("maxLength", room), room)) if right else 5


async def test_to_stop_the_watcher_by_places_that_name_many_applications() -> None:
    servers = {("shop", "argocd"): "argocd.example.com:443"}
    places = [Environment.from_wire(_environment())] * 400
    assert len(await owners_of(places, servers)) == 100
    assert is_short(lambda: longest_step(lambda: owners_of(places, servers)))
