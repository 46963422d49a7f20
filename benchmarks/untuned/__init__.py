"""Tasks without a recipe, with nothing but their id."""
