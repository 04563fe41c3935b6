"""Labelling pictures by hand: strokes in a journal per picture, the labels they paint, and the data set of them."""
