"""What a run that goes on holds on to: its newest sound state, its settings and its data."""
