"""Stand-ins for the systems outside Pilotage, with their real REST shapes; for demo, tests and benchmarks only."""
