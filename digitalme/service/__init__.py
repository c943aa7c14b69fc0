"""Many avatars: orders, a queue of them that outlives its processes, workers, and an HTTP service in front."""
