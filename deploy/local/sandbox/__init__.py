"""Stand-ins for the systems outside Pilotage, speaking their real REST shapes; for the demo, tests and benchmarks only."""
