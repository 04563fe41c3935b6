"""Labelling pictures and writing the results to files or bytes."""
