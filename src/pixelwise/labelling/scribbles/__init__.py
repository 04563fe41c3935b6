"""Labels for whole pictures from a few strokes: features of pixels, and a small classifier that learns from them."""
