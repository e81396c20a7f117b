"""GraphQL of the GitLab stand-in: what a user may do in a project, and nothing else.

Source: GitLab's GraphQL reference, type "ProjectPermissions".
"""

import re

from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_rights import has_role
from deploy.local.sandbox.replies import Reply

_ROLES = {"pushCode": "developer", "createLabel": "reporter", "createDeployment": "developer"}
_ASKED = re.compile(r"userPermissions\s*\{([^}]*)\}")


def answer_query(call: Call) -> Reply:
    """Answer with status 200, also where the query asks for what there is not."""
    asked = _ASKED.search(str(call.body.get("query") or ""))
    names = asked[1].split() if asked else []
    if unknown := [name for name in names if name not in _ROLES] or not names:
        return Reply(body={"errors": [{"message": f"Field '{unknown}' doesn't exist on type 'ProjectPermissions'"}]})
    path = str((call.body.get("variables") or {}).get("path") or "")
    is_there = call.state.project(path) is not None or call.sandbox.github.repository(path) is not None
    rights = {name: has_role(call.user, _ROLES[name]) for name in names}
    return Reply(body={"data": {"project": {"userPermissions": rights} if is_there else None}})
