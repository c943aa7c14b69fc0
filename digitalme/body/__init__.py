"""The parametric human: shape, face actions, landmarks on the mesh, rigs, hair, garments."""
