"""Context and description of a commit status."""

from unicodedata import category

from activities.flux.events import FluxEvent
from activities.flux.matching import Subscription
from crds.texts.plain import one_line
from providers.status_keys import bounded_key

_CONTEXT_LIMIT = 255
"""Characters, as the status of a Provider shows them; a host whose limit is lower has its own in its adapter."""
_DESCRIPTION_LIMIT = 2048
_CLASSES = {"Ll": "lower", "Lu": "upper", "Nd": "digit"}
"""By Unicode's category alone, as Go has them; `str.islower` and its like count more."""


def default_context(event: FluxEvent, *, provider_uid: str) -> str:
    """Return the context as Flux makes it: two objects of one name in two namespaces have the same one."""
    involved = event.involved
    return f"{involved.kind}/{involved.name}/{_first_part(provider_uid)}".lower()


def renewed_context(context: str, *, before: str, now: str) -> str:
    """Return a context as it is for a Provider that was made again: one that was not made of its uid stays."""
    end = f"/{_first_part(before)}".lower()
    return context.removesuffix(end) + f"/{_first_part(now)}".lower() if context.endswith(end) else context


def prefixed_context(subscription: Subscription, event: FluxEvent) -> str:
    """Return the context of a CommitStatus with a prefix, which no other object has."""
    involved = event.involved
    return f"{subscription.prefix}/{involved.kind.lower()}/{involved.namespace}/{involved.name}"


def bounded_context(context: str) -> str:
    """Return a context on one line; a long one ends in a hash, so that no two become one."""
    return bounded_key(one_line(context), _CONTEXT_LIMIT)


def description(event: FluxEvent) -> str:
    """Return the event's message on one line, without control characters."""
    return one_line(event.message)[:_DESCRIPTION_LIMIT]


def flux_description(event: FluxEvent) -> str:
    """Return the event's reason as terms in lower case, as Flux does: `ApplySucceeded` is `apply succeeded`."""
    parts: list[str] = []
    for character in event.reason:
        if parts and _class(parts[-1][-1]) == _class(character):
            parts[-1] += character
        elif parts and _class(character) == "lower" and _class(parts[-1][-1]) == "upper":
            # An upper run gives its last letter to the term that follows: `CELExpression` is two terms.
            head, last = parts[-1][:-1], parts[-1][-1]
            parts[-1:] = [*([head] if head else []), last + character]
        else:
            parts.append(character)
    # Each character by itself, and as one: Python knows lower cases of several, and of the end of a term.
    return "".join(character.lower()[0] for character in " ".join(parts))


def _class(character: str) -> str:
    return _CLASSES.get(category(character), "other")


def _first_part(uid: str) -> str:
    return uid.partition("-")[0]
