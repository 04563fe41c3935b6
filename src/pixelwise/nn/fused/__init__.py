"""Forms of networks that only predict: fewer passes, the same results."""
