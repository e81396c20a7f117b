"""Temporal: the connection, the data converter, the sandbox, and the ports that reach workflows."""
