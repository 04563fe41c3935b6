"""The server of ``pixelwise label``: pictures and labels to the page, strokes from it into journals."""
