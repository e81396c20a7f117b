"""Threads of comments on pull requests of the Azure DevOps stand-in."""

from collections.abc import Sequence

from deploy.local.sandbox.azure_devops_http import Call, invalid, listed, refused
from deploy.local.sandbox.azure_devops_pulls import show_person
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.remarks import answers_to, react_to
from deploy.local.sandbox.replies import Json, Reply


def list_threads(call: Call) -> Reply:
    """List all threads, each with the answers to its first comment."""
    comments = call.pull(call.repository()).comments
    return listed([_show_thread(one, answers_to(comments, one)) for one in comments if "answers" not in one])


def create_thread(call: Call) -> Reply:
    call.want("PullRequestContribute")
    repository = call.repository()
    pull, comments = call.pull(repository), call.body.get("comments")
    content = comments[0].get("content") if isinstance(comments, list) and comments else None
    if not isinstance(content, str) or not content.strip():
        raise invalid("The comment has no content.")
    now = timestamp(call.sandbox.clock.now())
    comment: Json = {
        "id": call.sandbox.github.next_number(),
        "body": content,
        "user": {"login": call.actor},
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(comment)
    return Reply(body=_show_thread(comment))


def read_comment(call: Call) -> Reply:
    return Reply(body=_show_comment(_comment(call)))


def change_comment(call: Call) -> Reply:
    call.want("PullRequestContribute")
    comment = _comment(call)
    comment["body"], comment["updated_at"] = call.text("content"), timestamp(call.sandbox.clock.now())
    return Reply(body=_show_comment(comment))


def like_comment(call: Call) -> Reply:
    """Like a comment; the same account likes it once."""
    return react_to(_comment(call), call.actor, "like")


def _comment(call: Call) -> Json:
    match = call.request.match_info
    for comment in call.pull(call.repository()).comments:
        if (str(comment["id"]), "1") == (match["thread"], match["comment"]):
            return comment
    raise refused(404, "The comment was not found.", "GitPullRequestCommentNotFoundException")


def _show_thread(comment: Json, answers: Sequence[Json] = ()) -> Json:
    """Render a comment as the first one of its thread."""
    shown = [_show_comment(one, number) for number, one in enumerate((comment, *answers), start=1)]
    return {"id": comment["id"], "comments": shown, "isDeleted": False, "properties": {}}


def _show_comment(comment: Json, number: int = 1) -> Json:
    return {
        "id": number,
        "parentCommentId": 0 if number == 1 else 1,
        "author": show_person(comment["user"]["login"]),
        "content": comment["body"],
        "publishedDate": comment["created_at"],
        "lastUpdatedDate": comment["updated_at"],
        "lastContentUpdatedDate": comment["updated_at"],
        "commentType": "text",
    }
