"""`pilotage doctor`: what an installation needs, looked at one by one, each with what fixes it."""
