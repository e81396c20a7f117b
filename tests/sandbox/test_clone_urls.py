"""Clone URLs as Argo CD's sources name them."""

import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.state import SandboxState


@pytest.fixture
def state() -> SandboxState:
    made = SandboxState()
    made.load({"github": seed.default_seed()["github"]})
    return made


@pytest.mark.parametrize(
    "url",
    [
        "https://github.example.com/acme/web.git",
        "https://github.example.com/Acme/Web/",
        "git@github.example.com:acme/web.git",
        "ssh://git@git.example.com:2222/acme/web.git",
        "https://git.example.com/git/acme/web",
        "https://bitbucket.example.com/scm/acme/web.git",
        "ssh://git@bitbucket.example.com:7999/acme/web.git",
        "https://dev.azure.com/contoso/acme/_git/web",
        "https://contoso@dev.azure.com/contoso/acme/_git/web",
        "https://tfs.example.com/tfs/contoso/acme/_git/web",
        "git@ssh.dev.azure.com:v3/contoso/acme/web",
    ],
)
def test_a_source_s_repository_is_found_at_any_host(state: SandboxState, url: str) -> None:
    found = state.argocd.repository_of({"repoURL": url})
    assert found is not None
    assert found.full_name == seed.REPOSITORY


@pytest.mark.parametrize("url", ["", "web", "https://git.example.com/web", "https://git.example.com/acme/api.git"])
def test_a_source_of_another_repository_is_none_of_ours(state: SandboxState, url: str) -> None:
    assert state.argocd.repository_of({"repoURL": url}) is None


def test_a_project_with_a_blank_and_a_group_of_groups_are_found(state: SandboxState) -> None:
    for full_name in ("My Shop/web", "acme/shop/web"):
        state.load({"github": {"repos": {full_name: {}}}})
    for url, wanted in (
        ("https://dev.azure.com/contoso/My%20Shop/_git/web", "My Shop/web"),
        ("https://gitlab.example.com/acme/shop/web.git", "acme/shop/web"),
    ):
        found = state.argocd.repository_of({"repoURL": url})
        assert found is not None
        assert found.full_name == wanted
