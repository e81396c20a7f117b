"""Composition roots: settings, Temporal connection, processes and the command line. The only place that joins ports and adapters."""
