"""Forms of networks that only predict, with fewer passes and the same results."""
