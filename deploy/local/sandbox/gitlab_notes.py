"""Notes of merge requests at the GitLab stand-in; lines that are quick actions are obeyed and left out.

Source: GitLab's documentation, pages "Notes API" and "Quick actions".
"""

import re

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Pull
from deploy.local.sandbox.gitlab_http import Call
from deploy.local.sandbox.gitlab_merge_requests import pull_of, show_user
from deploy.local.sandbox.gitlab_rights import refused, require_role
from deploy.local.sandbox.replies import Json, Reply

_NOTE_LIMIT = 1_000_000
_COMMAND = re.compile(r"^[ \t]*/(close|reopen|merge|label|assign|approve)\b.*\n?", re.MULTILINE)


def list_notes(call: Call) -> Reply:
    """List notes, newest first unless asked otherwise, with what the host itself wrote."""
    pull = pull_of(call)[1]
    written = [_show(pull, note) for note in pull.comments]
    events = [
        {
            "id": event["id"],
            "body": f"{event['event']} this merge request",
            "author": show_user(event["actor"]["login"]),
            "created_at": event["created_at"],
            "system": True,
            "noteable_iid": pull.number,
        }
        for event in pull.events
    ]
    found = sorted([*written, *events], key=lambda note: int(note["id"]))
    if call.request.query.get("sort", "desc") == "desc":
        found.reverse()
    page, headers = call.paged(found)
    return Reply(body=list(page), headers=headers)


def read_one(call: Call) -> Reply:
    return Reply(body=_show(*_note(call)))


def create(call: Call) -> Reply:
    require_role(call.user, "guest")
    pull, now = pull_of(call)[1], timestamp(call.sandbox.clock.now())
    text = _text(call, pull)
    note: Json = {
        "id": call.sandbox.github.next_number(),
        "body": text,
        "user": {"login": call.actor},
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(note)
    return Reply(status=201, body=_show(pull, note))


def change(call: Call) -> Reply:
    pull, note = _note(call)
    if note["user"]["login"] != call.actor:
        require_role(call.user, "maintainer")
    note["body"], note["updated_at"] = _text(call, pull), timestamp(call.sandbox.clock.now())
    return Reply(body=_show(pull, note))


def note_of(call: Call) -> Json:
    """Find the note that is asked for."""
    return _note(call)[1]


def _text(call: Call, pull: Pull) -> str:
    given = str(call.body.get("body") or "")
    if not given:
        raise refused(400, "body is missing", key="error")
    if len(given) > _NOTE_LIMIT:
        raise refused(400, {"note": ["is too long (maximum is 1000000 characters)"]})
    if any(command[1] == "close" for command in _COMMAND.finditer(given)):
        pull.state, pull.closed_at = "closed", call.sandbox.clock.now()
    text = _COMMAND.sub("", given)
    if not text.strip():
        raise refused(400, {"commands_only": ["Commands applied"]})
    return text


def _note(call: Call) -> tuple[Pull, Json]:
    pull, number = pull_of(call)[1], call.request.match_info["note"]
    found = next((note for note in pull.comments if str(note["id"]) == number), None)
    if found is None:
        raise refused(404, "404 Note Not Found")
    return pull, found


def _show(pull: Pull, note: Json) -> Json:
    return {
        "id": note["id"],
        "body": note["body"],
        "author": show_user(note["user"]["login"]),
        "created_at": note["created_at"],
        "updated_at": max(note["updated_at"], note.get("acted_on_at", "")),
        "system": False,
        "noteable_type": "MergeRequest",
        "noteable_iid": pull.number,
    }
