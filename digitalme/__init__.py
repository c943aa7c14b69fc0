"""digitalme: from one photo and one voice clip to a rigged avatar and a talking-head video, offline."""

__version__ = "0.1.0"
