"""Orders, their queue, workers, batch and the HTTP service."""
