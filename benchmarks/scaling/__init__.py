"""How speed and memory depend on the size of things."""
