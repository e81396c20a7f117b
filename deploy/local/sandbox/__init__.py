"""Stand-ins for the systems outside Pilotage, speaking their real REST shapes; for demo, tests and benchmarks only."""
