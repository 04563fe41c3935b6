"""Training: a plan made from the data, a task for Lightning, and a run folder that survives interruption."""
