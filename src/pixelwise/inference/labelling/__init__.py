"""One picture in, its files or bytes out."""
