"""Many runs: the grid of recipes, seeds and values, carried out by an engine, told in one table."""
