"""Steps of a promotion: each asks, decides by `rules`, changes the state, and then carries out what follows."""
