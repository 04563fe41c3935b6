"""What happens around a run: how it ends, and how runs compare."""
