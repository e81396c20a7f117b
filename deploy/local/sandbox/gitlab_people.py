"""Who labelled, may write, and reacted, at the GitLab stand-in.

Source: GitLab's documentation, pages "Resource label events API", "Members API" and "Emoji reactions API".
"""

from collections.abc import Mapping

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_merge_requests import pull_of, show_user
from deploy.local.sandbox.gitlab_notes import note_of
from deploy.local.sandbox.gitlab_rights import refused
from deploy.local.sandbox.replies import Json, Reply

_LEVELS: Mapping[str, int] = {"admin": 40, "write": 30, "read": 20}
_ACTIONS = {"labeled": "add", "unlabeled": "remove"}


def list_label_events(call: Call) -> Reply:
    """List what happened to labels, oldest first."""
    events = [event for event in pull_of(call)[1].events if event["event"] in _ACTIONS]
    page, headers = call.paged(events)
    rows = [
        {
            "id": event["id"],
            "user": show_user(event["actor"]["login"]),
            "created_at": event["created_at"],
            "resource_type": "MergeRequest",
            "label": {"name": event["label"]["name"]},
            "action": _ACTIONS[event["event"]],
        }
        for event in page
    ]
    return Reply(body=rows, headers=headers)


def read_member(call: Call) -> Reply:
    """Return a person's role in the project, whatever grants it; a person without one is not found."""
    return _member(call, {login: _LEVELS[right] for login, right in call.repository().collaborators.items()})


def read_group_member(call: Call) -> Reply:
    members = call.sandbox.github.teams.get(call.request.match_info["group"], ())
    return _member(call, dict.fromkeys(members, _LEVELS["read"]))


def award(call: Call) -> Reply:
    """Add an emoji, which updates the note; the same one of the same user is refused as if the note were not there."""
    note, name = note_of(call), str(call.body.get("name"))
    given: list[Json] = note.setdefault("given_reactions", [])
    reaction = {"content": name, "user": {"login": call.actor}}
    if reaction in given:
        raise refused(404, "404 Award Emoji Name has already been taken Not Found")
    given.append(reaction)
    note["acted_on_at"] = timestamp(call.sandbox.clock.now())
    return Reply(status=201, body={"name": name, "user": show_user(call.actor)})


def _member(call: Call, levels: Mapping[str, int]) -> Reply:
    for login, level in levels.items():
        user = show_user(login)
        if str(user["id"]) == call.request.match_info["user"]:
            return Reply(body={**user, "access_level": level})
    raise refused(404, "404 Not found")
