"""One run of a recipe, from claiming a folder to the finished report; what it stores, and what it tells meanwhile."""
