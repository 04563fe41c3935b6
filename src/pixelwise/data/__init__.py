"""Data sets: which pictures and masks belong together, what the masks mean, and crops of them to learn from."""
