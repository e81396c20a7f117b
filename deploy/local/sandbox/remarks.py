"""Comments as several hosts show them alike: since when they changed, what answers them, and who reacted to them."""

from collections.abc import Sequence

from deploy.local.sandbox.replies import Json, Reply


def changed_since(rows: list[Json], since: str | None, field: str = "updated_at") -> list[Json]:
    """Return the rows that changed at a moment or later; times of one form are compared as texts."""
    return [row for row in rows if not since or str(row[field]) >= since]


def answers_to(rows: Sequence[Json], comment: Json) -> list[Json]:
    """Return the comments that answer one, where hosts show them with it."""
    return [row for row in rows if row.get("answers") == comment["id"]]


def react_to(comment: Json, login: str, content: str) -> Reply:
    """Add a reaction; the same one of the same account is answered with 200 instead of 201."""
    given: list[Json] = comment.setdefault("given_reactions", [])
    reaction = {"content": content, "user": {"login": login}}
    if reaction in given:
        return Reply(status=200, body=reaction, took_effect=False)
    given.append(reaction)
    return Reply(status=201, body=reaction)
