"""Layouts that annotate objects one by one; one file each."""
