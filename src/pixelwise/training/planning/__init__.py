"""Planning settings from the data and the machine, each with its reason."""
