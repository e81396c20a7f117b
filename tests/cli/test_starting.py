"""`pilotage init` and `pilotage track`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from tests.cli.fake_cluster import FakeCluster

Run = Callable[..., Result]
WEB = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
TO_DEV = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}


@pytest.mark.parametrize(
    "host",
    [
        ("github",),
        ("gitlab", "--domain", "gitlab.example.com"),
        ("gitea", "--domain", "git.example.com"),
        ("forgejo", "--domain", "git.example.com"),
        ("bitbucketCloud",),
        ("bitbucketDataCenter", "--domain", "git.example.com"),
        ("azureDevOps", "--organization", "acme"),
    ],
    ids=lambda host: str(host[0]),
)
def test_the_resources_of_a_repository_are_valid_and_observed_only(
    run: Run, tmp_path: Path, host: tuple[str, ...]
) -> None:
    name, *options = host
    result = run("-n", "shop", "init", name, "acme/Web", "-n", "shop", *options)
    assert result.exit_code == 0
    file = tmp_path / "pilotage.yaml"
    file.write_text(result.stdout)
    assert run("validate", str(file)).exit_code == 0
    found = {(one["kind"], one["metadata"]["name"]): one for one in YAML(typ="safe").load_all(result.stdout)}
    assert found["GitRepository", "web"]["spec"]["mode"] == "Observe"
    assert found["Environment", "prod"]["spec"]["final"] is True
    assert {one["metadata"]["namespace"] for one in found.values()} == {"shop"}


def test_what_cannot_be_declared_is_named(run: Run) -> None:
    wrong = [run("init", "sourceforge", "acme/web"), run("init", "github", "web"), run("init", "gitea", "acme/web")]
    assert [one.exit_code for one in wrong] == [2, 2, 2]
    assert ["sourceforge" in wrong[0].stderr, "OWNER/NAME" in wrong[1].stderr, "domain" in wrong[2].stderr] == [
        True
    ] * 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("github", "acme/web.js"), "--name web-js"),
        (("github", "acme/web", "--name", "No!"), "--name: `No!`"),
        (("github", "acme/web/x"), "only at GitLab"),
        (("github", "acme/web", "-e", "dev", "-e", "dev"), "`dev` is named 2 times"),
        (("github", "acme/web", "-e", "De v"), "--environment: `De v`"),
        (("github", "acme/web", "--argocd", "ftp://x"), "--argocd: `ftp://x`"),
    ],
)
def test_a_name_that_no_resource_can_have_is_refused_with_the_option_that_helps(
    run: Run, arguments: tuple[str, ...], named: str
) -> None:
    result = run("init", *arguments)
    assert (result.exit_code, named in result.stderr) == (2, True), result.stderr


def test_the_resources_are_for_the_namespace_that_stands_before_the_command(run: Run) -> None:
    result = run("-n", "shop", "init", "github", "acme/web")
    assert {one["metadata"]["namespace"] for one in YAML(typ="safe").load_all(result.stdout)} == {"shop"}
    assert run("-n", "A B", "init", "github", "acme/web").exit_code == 2


def test_a_group_of_groups_owns_a_repository_at_gitlab(run: Run) -> None:
    [declared] = [
        one
        for one in YAML(typ="safe").load_all(run("init", "gitlab", "acme/team/web").stdout)
        if one["kind"] == "GitRepository"
    ]
    assert declared["spec"]["gitlab"] == {"namespace": "acme/team", "name": "web"}


def test_a_tracker_is_made_where_discovery_would_make_it(cluster: FakeCluster, run: Run) -> None:
    cluster.add("GitRepository", "web", spec={**WEB, "discovery": TO_DEV})
    judged = run("track", "7", "--dry-run")
    assert (judged.exit_code, judged.stdout.partition(":")[0], cluster.created) == (0, "web-7", [])
    result = run("track", "7")
    assert (result.exit_code, result.stdout.partition(":")[0]) == (0, "web-7")
    assert cluster.created[0]["spec"] == {"repositoryRef": {"name": "web"}, "number": 7, "environment": "dev"}
    again = run("track", "7")
    assert (again.exit_code, "web-7 is there already" in again.stderr) == (1, True)


def test_without_discovery_a_change_begins_where_the_chain_of_policies_does(cluster: FakeCluster, run: Run) -> None:
    cluster.add("GitRepository", "web", spec=WEB)
    for source, target, repositories in (("dev", "staging", []), ("staging", "prod", []), ("lab", "dev", ["api"])):
        refs = [{"name": name} for name in repositories]
        spec = {"sourceEnvironment": source, "targetEnvironment": target, "repositoryRefs": refs, "tests": []}
        cluster.add("PromotionPolicy", f"{source}-to-{target}", spec=spec)
    assert run("track", "web#7").exit_code == 0
    assert cluster.created[0]["spec"]["environment"] == "dev"
    assert run("track", "#7", "-r", "web").exit_code == 1


def test_without_a_repository_none_is_asked_for_that_is_not_there(cluster: FakeCluster, run: Run) -> None:
    missing = run("track", "7")
    assert missing.exit_code == 3
    assert missing.stderr.splitlines() == [
        "error: there is no GitRepository in namespace shop",
        "`pilotage -n shop init HOST OWNER/NAME` prints one with all that it needs",
    ]


def test_what_is_not_clear_is_asked_for(cluster: FakeCluster, run: Run) -> None:
    cluster.add("GitRepository", "web", spec=WEB)
    assert "--environment" in run("track", "7").stderr
    cluster.add("GitRepository", "api", spec=WEB)
    unclear = run("track", "7", "-e", "dev")
    assert (unclear.exit_code, "--repository" in unclear.stderr) == (2, True)
    assert run("track", "7", "-e", "dev", "-r", "api").stdout.startswith("api-7: ")
    assert run("track", "7", "-e", "dev", "-r", "nothing").exit_code == 3
