"""The protocol: fresh learners against equal-budget baselines, scores, tests of significance and the report."""
