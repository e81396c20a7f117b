"""Addresses of Providers: the forms that people clone by, and texts that name no repository."""

import pytest

from crds.rules.flux_addresses import WrongAddress, repository_address
from crds.v1alpha1.flux_provider import GitProviderType as Type


@pytest.mark.parametrize(
    ("kind", "address", "found"),
    [
        (Type.GITHUB, "https://github.com/acme/web", "github.com/acme/web"),
        (Type.GITHUB, "https://github.com/acme/web.git/", "github.com/acme/web"),
        (Type.GITHUB, "https://GitHub.com:443/acme/web", "github.com/acme/web"),
        (Type.GITHUB, "ssh://git@github.com:2222/acme/web.git", "github.com/acme/web"),
        (Type.GITHUB, "git@github.com:acme/web.git", "github.com/acme/web"),
        (Type.GITHUB, "https://user:pass@ghe.example.com:8443/acme/web", "ghe.example.com:8443/acme/web"),
        (Type.GITLAB, "https://gitlab.com/group/sub/web", "gitlab.com/group/sub/web"),
        (Type.GITLAB, "https://gitlab.com/1234", "gitlab.com/1234"),
        (Type.GITEA, "https://git.example.com/sub/acme/web", "git.example.com/sub/acme/web"),
        (Type.BITBUCKET, "https://bitbucket.org/acme/web.git", "bitbucket.org/acme/web"),
        (Type.BITBUCKET_SERVER, "https://bb.example.com/ctx/scm/PRJ/web.git", "bb.example.com/ctx/PRJ/web"),
        (Type.BITBUCKET_SERVER, "https://bb.example.com/scm/~jane/web.git", "bb.example.com/~jane/web"),
        (Type.AZURE_DEVOPS, "https://dev.azure.com/org/My%20Project/_git/web", "dev.azure.com/org/My Project/web"),
        (Type.AZURE_DEVOPS, "git@ssh.dev.azure.com:v3/org/proj/web", "dev.azure.com/org/proj/web"),
        (Type.AZURE_DEVOPS, "https://org.visualstudio.com/proj/_git/web", "dev.azure.com/org/proj/web"),
        (Type.AZURE_DEVOPS, "https://tfs.example.com/tfs/Main/proj/_git/web", "tfs.example.com/tfs/Main/proj/web"),
        (Type.AZURE_DEVOPS, "https://acme@dev.azure.com/org/proj/_git/web", "dev.azure.com/org/proj/web"),
        (Type.AZURE_DEVOPS, "https://dev.azure.com/org/_git/web", "dev.azure.com/org/web/web"),
        (
            Type.AZURE_DEVOPS,
            "https://org.visualstudio.com/DefaultCollection/proj/_git/web",
            "dev.azure.com/org/proj/web",
        ),
        (Type.AZURE_DEVOPS, "org@vs-ssh.visualstudio.com:v3/org/proj/web", "dev.azure.com/org/proj/web"),
        (Type.AZURE_DEVOPS, "ssh://git@ssh.dev.azure.com:22/v3/org/proj/web", "dev.azure.com/org/proj/web"),
        (Type.GITHUB, "ssh://git@ssh.github.com:443/acme/web.git", "github.com/acme/web"),
        (Type.GITHUB, "https://www.github.com/acme/web", "github.com/acme/web"),
        (Type.GITLAB, "ssh://git@altssh.gitlab.com:443/acme/web.git", "gitlab.com/acme/web"),
        (Type.BITBUCKET, "ssh://git@altssh.bitbucket.org:443/acme/web.git", "bitbucket.org/acme/web"),
        (Type.GITEA, "https://[2001:DB8:0::7]:3000/acme/web", "[2001:db8::7]:3000/acme/web"),
        (Type.GITEA, "http://[fd00::7]:80/git/acme/web.git", "[fd00::7]/git/acme/web"),
        (Type.GITLAB, "ssh://git@[fd00::7]:2222/acme/web.git", "[fd00::7]/acme/web"),
        (Type.GITHUB, "git@[fd00::7]:acme/web.git", "[fd00::7]/acme/web"),
    ],
)
def test_a_repository_is_found_by_every_form_that_people_clone_by(kind: Type, address: str, found: str) -> None:
    assert str(repository_address(kind, address)) == found


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (Type.GITHUB, "acme/web"),
        (Type.GITHUB, "github.com/acme/web"),
        (Type.GITHUB, "https://github.com/acme"),
        (Type.GITHUB, "https://github.com/acme/web/tree/main"),
        (Type.GITHUB, "https://%zz/acme/web"),
        (Type.GITHUB, "https://github.com:99999999/acme/web"),
        (Type.GITHUB, "https:///acme/web"),
        (Type.GITHUB, "https://github.com/acme/web?x=1"),
        (Type.GITHUB, "file:///acme/web"),
        (Type.GITHUB, "git://github.com/acme/web"),
        (Type.GITHUB, "https://github.com/acme/.."),
        (Type.GITHUB, "https://github.com/%2e%2e/web"),
        (Type.GITHUB, "https://github.com/a%2fb/web"),
        (Type.GITHUB, "https://github.com/acme/we b"),
        (Type.GITLAB, "https://gitlab.com/web"),
        (Type.BITBUCKET_SERVER, "https://bb.example.com/PRJ/web"),
        (Type.BITBUCKET_SERVER, "https://bb.example.com/scm/web"),
        (Type.AZURE_DEVOPS, "https://dev.azure.com/org/proj/web"),
        (Type.AZURE_DEVOPS, "https://tfs.example.com/proj/_git/web"),
        (Type.AZURE_DEVOPS, "https://dev.azure.com/a/org/proj/_git/web"),
        (Type.AZURE_DEVOPS, "https://org.visualstudio.com/a/proj/_git/web"),
        (Type.GITHUB, "https://github.com/acme/web\tx"),
        (Type.GITHUB, "https://github.com/acme/web\nx"),
        (Type.GITHUB, "https://github.com/acme/w%ff"),
        (Type.GITLAB, "https://gitlab.com/" + "1" * 19),
        (Type.GITLAB, "https://gitlab.com/acme/web/-/tree/main"),
        (Type.BITBUCKET_SERVER, "ssh://git@bb.example.com:7999/scm/PRJ/web.git"),
        (Type.BITBUCKET_SERVER, "git@bb.example.com:scm/PRJ/web.git"),
        (Type.GITEA, "https://[fd00::7%25eth0]/acme/web"),
        (Type.GITEA, "https://[fd00::7::]/acme/web"),
        (Type.GITEA, "https://fd00::7/acme/web"),
        (Type.GITEA, "https://[git.example.com]/acme/web"),
        (Type.GITEA, "git@[fd00:7]:acme/web"),
    ],
)
def test_a_text_that_names_no_repository_is_refused(kind: Type, address: str) -> None:
    with pytest.raises(WrongAddress):
        repository_address(kind, address)


def test_a_refusal_shows_neither_user_name_nor_password() -> None:
    with pytest.raises(WrongAddress) as refused:
        repository_address(Type.GITHUB, "https://jane:s3cret@github.com/acme")
    assert "jane" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
