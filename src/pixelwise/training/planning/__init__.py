"""From data and machine to settings, each with its reason."""
