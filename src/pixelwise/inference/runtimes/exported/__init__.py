"""Running exported files: reading them, the libraries that compute their graphs, and the runtimes on top."""
