"""Suffixes of picture files, apart from the decoders, so that folders are searched before decoders are imported."""

_SUFFIXES = ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .pbm .pgm .ppm .pnm .tif .tiff"

IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes, in lower case, of the files that a folder is searched for."""
