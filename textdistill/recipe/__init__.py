"""Recipes: reading and checking them, the parts they name, what works with what, their results and their papers."""
