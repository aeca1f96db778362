"""Scores only: the protocol, fresh learners against equal-budget baselines, tests of significance, robust scores."""
