"""What the layouts of annotated objects share: outlines, their names, where their pictures lie."""
