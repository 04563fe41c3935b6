"""How data sets lie on disk: one file a layout that people have, and the list of all."""
