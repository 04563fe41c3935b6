"""What computes for a predictor: torch, alone or averaged."""
