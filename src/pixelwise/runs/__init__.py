"""Training runs from start to finish, and the evaluation of models."""
