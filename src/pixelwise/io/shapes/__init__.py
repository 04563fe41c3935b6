"""Outlines of labels and objects, and the files that hold them."""
