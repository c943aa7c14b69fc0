"""The project's own networks, each a file read top to bottom. torch and diffusers are the extra "generate"."""
