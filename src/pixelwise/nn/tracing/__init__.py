"""Running a network on shapes alone, to find its geometry, arithmetic and memory."""
