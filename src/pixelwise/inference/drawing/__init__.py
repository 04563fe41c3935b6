"""Drawing labels and objects as pictures."""
