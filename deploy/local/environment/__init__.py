"""Real servers and our processes in a directory and on ports of their own."""
