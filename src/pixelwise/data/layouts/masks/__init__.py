"""Layouts that annotate the class of every pixel by a mask; one file each."""
