"""Pure: the page of a promotion in the Temporal UI, while it runs and after its end.

Made of lists: the UI draws the cells of a table without any space between them.
"""

from activities.models.status import PromotionRecord, TestStatus, WaitingFor
from crds.reasons.vocabulary import State
from crds.texts.markdown import inline, link
from workflows.promotion.state import PromotionState
from workflows.promotion.view.pull_request import ICONS, now_lines, tests_of


def details(story: PromotionState, shown: State, waiting: WaitingFor | None) -> str:
    """Return state, what it waits for, the pull request, the tests with links, and each hop that ended."""
    lines = now_lines(story, shown, waiting)
    if (pull_request := story.pull_request) is not None:
        title = link(f"#{pull_request.number} {pull_request.title}".strip(), pull_request.url)
        lines += ["", f"{title} by {inline(pull_request.author)}" if pull_request.author else title]
    if tests := tests_of(story):
        lines += ["", "**Tests**", "", *map(_test_line, tests)]
    if story.records:
        lines += ["", "**Hops that ended**", "", *map(_record_line, story.records)]
    return "\n".join(lines)


def _test_line(test: TestStatus) -> str:
    run = link(f"run {test.number}" if test.number else "run", test.url) if test.url else ""
    detail = f" ({inline(test.detail, limit=200)})" if test.detail else ""
    state = f"{ICONS.get(test.state, '')} {test.state}{detail}".strip()
    named = f"{inline(test.name)} at {inline(test.runner)}{'' if test.required else ', optional'}"
    return f"- {state}: {named}{f', {run}' if run else ''}"


def _record_line(record: PromotionRecord) -> str:
    by = record.brought_by or record.promoted_by
    error = f": {inline(record.error)}" if record.error else ""
    return (
        f"- {record.at:%Y-%m-%d %H:%M:%S} UTC, {record.source} → {record.target}: {record.result}"
        f"{f' by {inline(by)}' if by else ''}{error}"
    )
