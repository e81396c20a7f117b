"""What lists of workflows show of a promotion: search attributes to find it by, and the memo that names it.

Each write is one event of the history, in a workflow task that is there anyway: written only where something changed.
"""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from crds.reasons.vocabulary import State
from workflows.identity import MEMO_CHANGE, SEARCH_ENVIRONMENT, SEARCH_STATE, change_line
from workflows.promotion.state import PromotionState


class Listing:
    """Remember what this run wrote."""

    def __init__(self) -> None:
        self._searched: tuple[str, str] = ("", "")
        self._change = ""

    def update(self, story: PromotionState, shown: State) -> None:
        """Have lists show the state and place of the change, and what its pull request is called."""
        searched = (str(shown), story.environment)
        if searched != self._searched:
            self._searched = searched
            workflow.upsert_search_attributes(
                [
                    SearchAttributeKey.for_keyword(SEARCH_STATE).value_set(searched[0]),
                    SearchAttributeKey.for_keyword(SEARCH_ENVIRONMENT).value_set(searched[1]),
                ]
            )
        if story.pull_request is None or story.repository is None:
            return
        change = change_line(story.repository.full_name, story.pull_request.number, story.pull_request.title)
        if change != self._change:
            self._change = change
            workflow.upsert_memo({MEMO_CHANGE: change})
