"""What only a look at all files of a data set shows."""
