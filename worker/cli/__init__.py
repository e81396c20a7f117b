"""The `pilotage` command line: one module per command group."""
