"""A network run on shapes alone: its geometry, its arithmetic, its memory."""
