"""Rasters of any size: read by windows, labels written by windows."""
