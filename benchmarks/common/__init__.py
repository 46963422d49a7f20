"""What the side-by-side measurements share; run them from the root of the repository."""
