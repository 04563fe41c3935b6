"""Runtimes, which compute for a predictor: torch, or a library that runs exported files; one model or several."""
