"""How much the data have changed, and whether that is too much."""
