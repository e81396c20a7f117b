"""Pure: the comments that notify people, posted only where a person must act.

Each states what happened with its counts and links, what comes next, and who may do it: it is read as an e-mail, where
nothing else of the pull request is at hand.
"""

import re
from collections.abc import Sequence

from activities.models.budgets import MENTION_BYTES
from activities.models.promotion import PromotionInput, Verb
from activities.models.revisions import Mention
from activities.models.status import TestStatus
from activities.models.testing import RunState
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import State
from crds.texts.markdown import inline, link
from workflows.promotion.rules.aggregate import test_status, verdict
from workflows.promotion.rules.commands import approver
from workflows.promotion.state import Hop, PromotionState, Refusal

LOGIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?")
"""A login as hosts take them: GitLab, Gitea and Forgejo allow dots, and 255 characters."""
MENTIONED = (State.TESTS_FAILED, State.PROMOTION_FAILED, State.READY_TO_PROMOTE)
TESTS_NAMED = 5
"""The summary has all of them."""
LINK_CHARACTERS = 300
"""A longer address is left to the summary."""


def mentions(request: PromotionInput, story: PromotionState, shown: State) -> tuple[Mention, ...]:
    """Return the comment that notifies the author, and whom the target names where a person's approval misses."""
    pull_request, hop = story.pull_request, story.hop
    if pull_request is None or hop is None or shown not in MENTIONED:
        return ()
    diverged = _diverged(hop, shown)
    if shown is State.READY_TO_PROMOTE and not diverged and (hop.policy.auto_promote or approver(story)):
        return ()
    people = [pull_request.author]
    if shown is State.READY_TO_PROMOTE and hop.view is not None:
        people += hop.view.notify
    # Who approved, or has the policy approve, is not asked for this by the comment that asked for approval.
    key = f"{story.hops}-{story.rounds}-{hop.attempt}-{hop.refusal if diverged else shown}"
    called = " ".join(filter(None, map(_called, dict.fromkeys(people))))
    lines = [f"{called} {_what(story, hop, shown)}".strip(), *_tests(hop, shown), *_next(request, story, hop, shown)]
    return (Mention(key=key, body=_within(lines, MENTION_BYTES)),)


def _called(name: str) -> str:
    """Return what notifies a person or a team, such as `@acme/release`; the name of a bot notifies no one."""
    bare = name.removeprefix("@")
    return f"@{bare}" if all(LOGIN.fullmatch(part) for part in bare.split("/")) else inline(name)


def _what(story: PromotionState, hop: Hop, shown: State) -> str:
    target = hop.policy.target
    match shown:
        case State.TESTS_FAILED if story.reason == TrackerReason.SOURCE_MOVED:
            return f"the tests for {target} do not count: {inline(story.message)}"
        case State.TESTS_FAILED:
            return f"tests failed for {target}: {inline(_counts(hop) or story.message)}"
        case State.PROMOTION_FAILED:
            return f"the promotion to {target} failed: {inline(story.message)}"
        case _:
            counts = _counts(hop)
            passed = verdict(hop.round.tests if hop.round else ())
            summary = f"{passed} ({counts})" if counts else passed
            if _diverged(hop, shown):
                return f"{inline(summary)}; {target} diverged: {inline(hop.refusal_message)}"
            return f"{inline(summary)}; this change waits for approval to go to {target}"


def _diverged(hop: Hop, shown: State) -> bool:
    """Return whether an approval has to name what it overrides."""
    return shown is State.READY_TO_PROMOTE and hop.refusal is Refusal.DIVERGED


def _counts(hop: Hop) -> str:
    """Return how many of the required tests passed; empty where there is none."""
    states = [test.state for test in (hop.round.tests if hop.round else ()) if test.spec.required]
    return f"{sum(state is RunState.PASSED for state in states)} of {len(states)} required passed" if states else ""


def _tests(hop: Hop, shown: State) -> list[str]:
    """Return a line for each test that did not pass, or that is to be looked at before approval."""
    if hop.round is None or shown is State.PROMOTION_FAILED:
        return []
    tests = [test_status(test, round_number=hop.round.number) for test in hop.round.tests]
    named = [test for test in tests if test.state != RunState.PASSED] or (
        tests if shown is State.READY_TO_PROMOTE else []
    )
    lines = [_test_line(test) for test in named[:TESTS_NAMED]]
    left_out = len(named) - TESTS_NAMED
    return ["", *lines, *([f"- and {left_out} more"] if left_out > 0 else [])] if lines else []


def _test_line(test: TestStatus) -> str:
    title = f"{test.name} {test.number or ''}".strip()
    run = link(title, test.url) if test.url and len(test.url) <= LINK_CHARACTERS else inline(title)
    optional = "" if test.required else " (optional)"
    return f"- {run}: {test.state}{optional}{f', {inline(test.detail, limit=200)}' if test.detail else ''}"


def _next(request: PromotionInput, story: PromotionState, hop: Hop, shown: State) -> list[str]:
    """Return what to do, and who may: by a comment where the host lets people steer so, else by the command."""
    verb = {
        State.TESTS_FAILED: Verb.RETEST,
        State.PROMOTION_FAILED: Verb.RETRY,
        State.READY_TO_PROMOTE: Verb.PROMOTE,
    }[shown]
    fix = "" if verb is Verb.PROMOTE else "fix the cause, then "
    line, who = request.tracker.command_line(verb), _who_in_cluster(request, hop, verb)
    team = hop.view.teams.get(str(verb), "") if hop.view is not None else ""
    if _diverged(hop, shown):
        # Not by a comment: it does not show what its author saw of the target.
        return ["", f'Next: `{line} --reason "…"`, which replaces what the target holds.', f"Who may: {who}."]
    commands = [f"`{line}`"]
    if story.scm_account and (verb is Verb.RETEST or team):
        commands.insert(0, f"comment `/pilotage {verb}` here")
        by = f"members of `{team}`" if team else "people with the right to write to this repository"
        who = f"{by} by a comment; {who} by the command"
    return ["", f"Next: {fix}{', or '.join(commands)}.", f"Who may: {who}."]


def _who_in_cluster(request: PromotionInput, hop: Hop, verb: Verb) -> str:
    return (
        f"people with the verb `{verb}` on Environment `{hop.policy.target}` of namespace `{request.tracker.namespace}`"
    )


def _within(lines: Sequence[str], limit_bytes: int) -> str:
    """Return the lines, without the last ones of the middle where there is no room for all: what comes next stays."""
    body = list(lines)
    while len("\n".join(body).encode()) > limit_bytes and len(body) > 4:
        del body[-4]
    return "\n".join(body)
