"""Pictures of meshes: a CPU rasteriser that needs no system library, its OpenGL twin, and the looks drawn with them."""
