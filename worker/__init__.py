"""Composition roots: settings, connections, processes and command line; only here are ports and adapters joined."""
