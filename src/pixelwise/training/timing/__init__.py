"""Keeping to the time of a run: the pace of its steps, and the schedule that ends in time."""
