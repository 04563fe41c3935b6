"""What the stored values of masks mean, and what is wrong with masks."""
