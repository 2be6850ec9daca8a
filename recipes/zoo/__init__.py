"""The recipes that train, publish and show the zoo."""
