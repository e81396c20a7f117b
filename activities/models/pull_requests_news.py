"""What a list of a repository's pull requests shows of one of them, sent to the workflow that promotes it."""

from dataclasses import dataclass
from datetime import datetime

from activities.models.bounds import Bounded
from activities.models.tracking import PullRequest


@dataclass(frozen=True, kw_only=True)
class PullRequestNews(Bounded):
    """Hold a pull request as its host listed it; what the list leaves out is unknown, not nothing."""

    pull_request: PullRequest
    """A merged one may miss its merge commit: some hosts list none."""
    listed_at: datetime
    """When the list was asked for: news that was asked for earlier is older, whenever it comes."""
    labels_listed: bool = True
    """Whether its labels are those of the host; False where the host lists none."""
