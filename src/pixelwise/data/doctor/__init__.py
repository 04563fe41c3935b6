"""The checks of a data set that need all of its files."""
