"""Follow a repository's pull requests by its list, for all of its trackers."""
