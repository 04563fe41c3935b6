"""Training: planning settings from the data, a task for Lightning, and a run folder that survives interruption."""
