"""Data sets that are broken in one way each, and what the doctor is to say of them."""
