"""What a recipe will cost, from a few real steps on this machine: units of work, each measured, and their number."""
