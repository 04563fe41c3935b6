"""Code that the layouts of annotated objects share: outlines, class names, and finding pictures."""
