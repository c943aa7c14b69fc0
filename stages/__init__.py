"""The pipeline's stages, one file each: a config dataclass and one public function from artifacts to an artifact."""
