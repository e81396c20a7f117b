"""The watcher: resources become workflows and signals, results become status."""
