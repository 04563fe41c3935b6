"""Labelling many pictures: one after the other, in several processes, or by several jobs that share a folder."""
