"""Comparing models: training them alike, scoring them on the same pictures, and measuring what they cost."""
