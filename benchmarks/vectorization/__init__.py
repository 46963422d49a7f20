"""Ways of stepping copies of an environment, by turns."""
