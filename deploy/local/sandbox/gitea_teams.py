"""Teams of organizations at the stand-in for Gitea and Forgejo, whose numbers are their places by name.

Source: https://github.com/go-gitea/gitea/blob/main/routers/api/v1/org/team.go
"""

from deploy.local.sandbox.gitea_http import Call, not_found, show_user
from deploy.local.sandbox.replies import Reply


def list_teams(call: Call) -> Reply:
    """List the teams of an organization, which each owner of a repository is here."""
    if call.request.match_info["org"] not in {repository.owner for repository in call.state.repositories.values()}:
        raise not_found()
    rows = [{"id": number, "name": name, "permission": "write"} for number, name in enumerate(_names(call), start=1)]
    page, headers = call.paged(rows)
    return Reply(body=list(page), headers=headers)


def read_member(call: Call) -> Reply:
    """Return a member of a team; anybody else is not found, and neither is a team that is not there."""
    names, number, login = _names(call), call.number("team"), call.request.match_info["login"]
    if not 1 <= number <= len(names) or login not in call.state.teams[names[number - 1]]:
        raise not_found()
    return Reply(body=show_user(call, login))


def _names(call: Call) -> list[str]:
    return sorted(call.state.teams)
