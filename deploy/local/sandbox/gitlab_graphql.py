"""GraphQL of the GitLab stand-in: what a user may do in a project, when notes were edited, and nothing else.

Source: GitLab's GraphQL reference, types "ProjectPermissions" and "Note".
"""

import re

from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_rights import has_role
from deploy.local.sandbox.replies import Json, Reply

_ROLES = {"pushCode": "developer", "createLabel": "reporter", "createDeployment": "developer"}
_ASKED = re.compile(r"userPermissions\s*\{([^}]*)\}")
_NOTE = re.compile(r'(\w+): note\(id: "gid://gitlab/Note/(\d+)"\) \{ lastEditedAt \}')


def answer_query(call: Call) -> Reply:
    """Answer with status 200, also where the query asks for what there is not."""
    if notes := _NOTE.findall(str(call.body.get("query") or "")):
        return Reply(body={"data": {alias: _edit_of(call, note) for alias, note in notes}})
    asked = _ASKED.search(str(call.body.get("query") or ""))
    names = asked[1].split() if asked else []
    if unknown := [name for name in names if name not in _ROLES] or not names:
        return Reply(body={"errors": [{"message": f"Field '{unknown}' doesn't exist on type 'ProjectPermissions'"}]})
    path = str((call.body.get("variables") or {}).get("path") or "")
    is_there = call.state.project(path) is not None or call.sandbox.github.repository(path) is not None
    rights = {name: has_role(call.user, _ROLES[name]) for name in names}
    return Reply(body={"data": {"project": {"userPermissions": rights} if is_there else None}})


def _edit_of(call: Call, note: str) -> Json | None:
    """Show when the text of a note was changed; null for a note that is not there."""
    pulls = [pull for repository in call.sandbox.github.repositories.values() for pull in repository.pulls.values()]
    found = (one for pull in pulls for one in pull.comments if str(one["id"]) == note)
    for one in found:
        return {"lastEditedAt": one["updated_at"] if one["updated_at"] != one["created_at"] else None}
    return None
