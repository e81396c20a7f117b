"""Why what runs does not contain a change's merge commit, where waiting alone may never bring it there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.models.delivery import Observation
from activities.models.revisions import Relation
from workflows.promotion.rules import comparison
from workflows.promotion.state import PromotionState


@dataclass(frozen=True, kw_only=True)
class Astray:
    """What stands between the change and its first environment, and what a person can do."""

    text: str
    unblock_with: str


def astray(story: PromotionState, observation: Observation, *, abort: str) -> Astray | None:
    """Return why what a deployment runs may never contain the change; None where it is only not deployed yet.

    `abort` is the command that ends the attempt.
    """
    pull_request = story.pull_request
    merge = pull_request.merge_sha if pull_request is not None else None
    if pull_request is None or not merge or not observation.runs:
        return None
    runs, known = comparison.short(observation.runs), comparison.short(merge)
    end = f"track the pull request that brings the change there now, and `{abort}`"
    match story.relations.get(comparison.pair_key(observation.runs, merge)):
        case Relation.DIVERGED:
            base = pull_request.base_branch or "its base branch"
            merged = f"which #{pull_request.number} merged into {base}"
            return Astray(
                text=f"{runs} is on another line of history than {known}, {merged}",
                unblock_with=f"deploy {base}, or merge it into the branch that is deployed, keeping its commits; after "
                f"a squash, a rebase or a force-push {known} never arrives: {end}",
            )
        case Relation.UNKNOWN:
            repository = story.repository.full_name if story.repository is not None else "the repository"
            return Astray(
                text=f"{repository} does not know {runs} or {known}",
                unblock_with=f"push both commits to {repository}, or deploy a commit of it; where a force-push removed "
                f"{known}: {end}",
            )
        case _:
            return None


def first_astray(story: PromotionState, observed: Sequence[Observation], *, abort: str) -> Astray | None:
    """Return the first such cause among the deployments of the change's components."""
    ours = (one for one in observed if one.component in (story.components or ()))
    return next((found for one in ours if (found := astray(story, one, abort=abort)) is not None), None)


def has_diverged(story: PromotionState) -> bool:
    """Return whether something that was compared is on another line of history than the merge commit."""
    merge = story.pull_request.merge_sha if story.pull_request is not None else None
    return bool(merge) and any(
        relation == Relation.DIVERGED and key.endswith(comparison.pair_key("", merge or ""))
        for key, relation in story.relations.items()
    )
