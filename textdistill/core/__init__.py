"""The one meta-learning core: it knows batches, learners and schedules, and never what a sample is made of."""
