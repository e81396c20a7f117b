"""Accounts of the Azure DevOps stand-in, and what they may do in a repository.

Source: "Identities - Read Identities", "Access Control Lists - Query" and "Teams - Get Team Members With Extended
Properties" of the vendor's REST reference.
"""

from collections.abc import Iterator, Mapping

from deploy.local.sandbox.azure_devops_http import Call, listed, refused
from deploy.local.sandbox.azure_devops_pulls import show_person
from deploy.local.sandbox.azure_devops_state import identifier
from deploy.local.sandbox.replies import Json, Reply

_BITS: Mapping[str, int] = {"admin": 32_767, "write": 4 + 2 + 16_384, "read": 2 + 16_384}


def read_identities(call: Call) -> Reply:
    """Return the accounts of these ids, in their order, null for one that is unknown."""
    known = {identifier("person", login): login for login in _logins(call)}
    wanted = call.request.query.get("identityIds", "").split(",")
    return listed([_show(known[one]) if one in known else None for one in wanted])


def list_permissions(call: Call) -> Reply:
    """Return the permissions of accounts in one repository, with what groups, project and organization give them."""
    query = call.request.query
    found = [
        {
            "inheritPermissions": True,
            "token": query.get("token"),
            "acesDictionary": {
                descriptor: _entry(descriptor, repository.collaborators)
                for descriptor in query.get("descriptors", "").split(",")
            },
            "includeExtendedInfo": True,
        }
        for repository in call.sandbox.github.repositories.values()
        if query.get("token")
        == f"repoV2/{identifier('project', repository.owner)}/{identifier('repository', repository.full_name)}"
    ]
    return listed(found)


def list_members(call: Call) -> Reply:
    """List who is in a team of a project."""
    team = call.request.match_info["team"]
    if team not in call.sandbox.github.teams:
        raise refused(404, f"The team with id '{team}' does not exist.", "TeamNotFoundException")
    members = [{"identity": show_person(login)} for login in call.sandbox.github.teams[team]]
    return listed(call.paged(members))


def _entry(descriptor: str, collaborators: Mapping[str, str]) -> Json:
    """Show what an account holds: nothing of its own, and by its groups what its role gives."""
    right = collaborators.get(descriptor.rpartition("\\")[2].removesuffix("@example.com"), "")
    effective = {"effectiveAllow": _BITS[right]} if right else {}
    return {"descriptor": descriptor, "allow": 0, "deny": 0, "extendedInfo": effective}


def _show(login: str) -> Json:
    return {
        "id": identifier("person", login),
        "descriptor": f"Microsoft.IdentityModel.Claims.ClaimsIdentity;{identifier('tenant', '')}\\{login}@example.com",
        "providerDisplayName": login.title(),
        "isActive": True,
    }


def _logins(call: Call) -> Iterator[str]:
    for repository in call.sandbox.github.repositories.values():
        yield from repository.collaborators
        for pull in repository.pulls.values():
            yield from (str(comment["user"]["login"]) for comment in pull.comments)
