"""How the project's own networks are made: data of people who never lived, recipes, training loops."""
