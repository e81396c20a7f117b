"""Who is in a team, at hosts where that takes more than one question, or a right of its own."""

import pytest

from providers.errors import ProviderUnauthorized
from providers.models import Person
from providers.ports import ScmHost
from tests.providers.hosts import FakeHost, answer, azure_devops, bitbucket_data_center, gitea

GRACE = Person(id="grace", name="grace")
TEAMS = r"/api/v1/orgs/acme/teams\?.*"
MEMBER = "/api/v1/teams/7/members/grace"


async def is_member(host: ScmHost, team: str = "release") -> bool:
    assert host.steering is not None
    return await host.steering.is_member(team, GRACE)


async def test_a_team_of_gitea_is_found_behind_full_pages_whatever_the_case_of_its_name(host: FakeHost) -> None:
    others = [{"id": number, "name": f"team-{number}"} for number in range(100, 150)]
    host.on(
        "GET", TEAMS, answer(others, x_total_count="51"), answer([{"id": 7, "name": "Release"}], x_total_count="51")
    )
    host.on("GET", MEMBER, answer({"login": "Grace"}), answer({"message": "not found"}, 404))
    assert await is_member(gitea(host.http()))
    assert host.paths()[1:] == ["GET /api/v1/orgs/acme/teams?page=2&limit=50", f"GET {MEMBER}"]
    host.on("GET", TEAMS, answer([{"id": 7, "name": "release"}]))
    assert not await is_member(gitea(host.http()))


async def test_a_person_who_owns_a_repository_at_gitea_has_no_teams(host: FakeHost) -> None:
    host.on("GET", TEAMS, answer({"message": "user redirect does not exist"}, 404))
    assert not await is_member(gitea(host.http()))


async def test_what_an_account_of_gitea_misses_to_ask_for_members_is_named(host: FakeHost) -> None:
    host.on("GET", TEAMS, answer([{"id": 7, "name": "release"}]))
    host.on("GET", MEMBER, answer({"message": "Must be a team member"}, 403))
    with pytest.raises(
        ProviderUnauthorized, match="make the account an owner of the organization, or a member of team"
    ):
        await is_member(gitea(host.http()))
    scope = "token does not have at least one of required scope(s), required=[read:organization]"
    host.on("GET", TEAMS, answer({"message": scope}, 403))
    with pytest.raises(ProviderUnauthorized, match=r"a token with .* and `read:organization`$"):
        await is_member(gitea(host.http()))


async def test_members_of_a_team_of_azure_devops_are_read_page_by_page(host: FakeHost) -> None:
    others = {"value": [{"identity": {"id": str(number)}} for number in range(100)]}
    host.on("GET", r"/umbrella/_apis/projects/acme/teams/Shop%20Team/members\?.*", answer(others), answer({"value": [
        {"identity": {"id": "GRACE"}},
    ]}))  # fmt: skip
    assert await is_member(azure_devops(host.http()), "Shop Team")
    assert [path.partition("?")[2] for path in host.paths()] == [
        f"api-version=7.0&%24top=100&%24skip={skip}" for skip in (0, 100)
    ]


OPS = "Microsoft.TeamFoundation.Identity;S-1-9-ops"


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ({"memberOf": ["Microsoft.TeamFoundation.Identity;S-1-9-all", OPS.lower()]}, True),
        ({"memberOf": ["Microsoft.TeamFoundation.Identity;S-1-9-all"]}, False),
        ({"memberOf": None}, False),
        ({"memberOf": [OPS], "isActive": False}, False),
    ],
)
@pytest.mark.parametrize("group", [{"descriptor": "vssgp.Uy0x"}, {"descriptor": "aadgp.Uy0x"}, {"isContainer": True}])
async def test_a_group_in_a_team_of_azure_devops_counts_for_who_is_in_it(
    host: FakeHost, group: dict[str, object], shown: dict[str, object], found: bool
) -> None:
    members = [{"identity": {"id": "ada", "descriptor": "aad.x"}}, {"identity": {"id": "OPS", **group}}]
    host.on("GET", r"/umbrella/_apis/projects/acme/teams/release/members\?.*", answer({"value": members}))
    identities = [{"id": "grace", "isActive": True, **shown}, {"id": "ops", "descriptor": OPS}]
    host.on("GET", r"/umbrella/_apis/identities\?.*", answer({"value": identities}))
    assert await is_member(azure_devops(host.http())) is found
    assert host.paths()[1:] == [
        "GET /umbrella/_apis/identities?api-version=7.0&identityIds=grace%2COPS&queryMembership=ExpandedUp"
    ]


async def test_a_team_of_azure_devops_without_groups_asks_for_no_memberships(host: FakeHost) -> None:
    members = {"value": [{"identity": {"id": "ada", "descriptor": "aad.x"}}, {"identity": None}]}
    host.on("GET", r"/umbrella/_apis/projects/acme/teams/release/members\?.*", answer(members))
    assert not await is_member(azure_devops(host.http()))
    assert len(host.requests) == 1


async def test_a_group_of_data_center_has_who_is_called_so_and_no_one_whose_name_holds_that(host: FakeHost) -> None:
    for name, found in (("grace-hopper", False), ("Grace", True)):
        members = answer({"values": [{"name": name}], "isLastPage": True})
        host.on("GET", r".*/rest/api/latest/admin/groups/more-members\?context=release&filter=grace&.*", members)
        assert await is_member(bitbucket_data_center(host.http())) is found


async def test_an_account_without_a_licence_is_what_the_members_of_a_group_are_not_shown_to(host: FakeHost) -> None:
    refused = {
        "errors": [{"message": "You are not permitted", "exceptionName": "com.atlassian.x.AuthorisationException"}]
    }
    host.on("GET", r".*/rest/api/latest/admin/groups/more-members\?.*", answer(refused, 401))
    with pytest.raises(ProviderUnauthorized, match="only an account that is licensed may ask who is in a group"):
        await is_member(bitbucket_data_center(host.http()))
