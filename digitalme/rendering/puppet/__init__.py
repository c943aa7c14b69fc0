"""The layered photo puppet: the portrait itself, animated."""

from digitalme.rendering.puppet.puppet import PhotoPuppet

__all__ = ["PhotoPuppet"]
