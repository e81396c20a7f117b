"""An event as a message of Slack: what happened, what comes next, and who may. Pure.

It reads like the comment that notifies people on the pull request (workflows/promotion/view/mentions.py).
"""

from collections.abc import Mapping
from typing import Any

from activities.models.event_sinks import PromotionEvent
from activities.models.promotion import Verb
from crds.reasons.events import EventReason
from crds.texts.plain import counted
from crds.texts.slack import inline, link

TITLE_LIMIT = 200
_WHAT: Mapping[str, str] = {
    EventReason.WAITS_FOR_APPROVAL: "this change waits for approval to go to {environment}",
    EventReason.TESTS_FAILED: "tests failed for {environment}",
    EventReason.FAILED: "the promotion to {environment} failed",
    EventReason.TARGET_DIVERGED: "{environment} diverged; this change waits for a person",
}
"""What happened, where the event's own text is about details."""
_NEXT: Mapping[str, Verb] = {
    EventReason.WAITS_FOR_APPROVAL: Verb.PROMOTE,
    EventReason.TESTS_FAILED: Verb.RETEST,
    EventReason.FAILED: Verb.RETRY,
    EventReason.TARGET_DIVERGED: Verb.PROMOTE,
}
"""What a person does next; after any other event no one has to do anything."""


def message(event: PromotionEvent) -> dict[str, Any]:
    """Return what an incoming webhook of Slack takes."""
    paragraphs = [f"{_change(event)}: {_what(event)}", *_details(event)]
    blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(paragraphs)}}]
    if small_print := [*_next(event), *_omitted(event)]:
        elements = [{"type": "mrkdwn", "text": text} for text in small_print]
        blocks.append({"type": "context", "elements": elements})
    # `text` is what notifications show, and what is shown where blocks are not.
    return {"text": paragraphs[0], "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _change(event: PromotionEvent) -> str:
    number = f"#{event.pull_request}" if event.pull_request else f" {event.tracker.name}"
    return link(f"{event.repository}{number} {event.title}", event.url, limit=TITLE_LIMIT)


def _what(event: PromotionEvent) -> str:
    known = _WHAT.get(event.reason)
    return inline(known.format(environment=event.environment) if known else event.message)


def _details(event: PromotionEvent) -> list[str]:
    if event.reason not in _WHAT or event.reason == EventReason.WAITS_FOR_APPROVAL:
        return []
    return [inline(event.message)]


def _next(event: PromotionEvent) -> list[str]:
    verb = _NEXT.get(event.reason)
    if verb is None:
        return []
    fix = "" if verb is Verb.PROMOTE else "fix the cause, then "
    command = inline(event.tracker.command_line(verb))
    if event.reason == EventReason.TARGET_DIVERGED:
        return [f'Next: `{command} --reason "…"`, which replaces what the target holds.', _who_may(event, verb)]
    return [f"Next: {fix}`{command}`.", _who_may(event, verb)]


def _who_may(event: PromotionEvent, verb: Verb) -> str:
    where = f"Environment `{inline(event.environment)}` of namespace `{inline(event.tracker.namespace)}`"
    return f"Who may: people with the verb `{verb}` on {where}."


def _omitted(event: PromotionEvent) -> list[str]:
    return [f"Not sent before this one: {counted(event.omitted, 'event')}."] if event.omitted else []
