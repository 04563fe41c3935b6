"""How data sets lie on disk: one file per layout that people have, and the list of all."""
