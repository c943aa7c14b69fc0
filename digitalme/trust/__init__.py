"""Saying what is synthetic, and proving it: watermark, signed provenance, verification."""
