"""Runtimes, which compute for a predictor: torch, with one model or several averaged."""
