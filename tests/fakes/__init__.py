"""Small artifacts and stages that the runner's tests wire together."""
