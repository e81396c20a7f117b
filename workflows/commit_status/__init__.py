"""The commit status of Flux events: in the order of the events, whatever order they come in."""
