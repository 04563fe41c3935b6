"""Labels and objects as pictures to look at."""
