"""What the recipes that train, publish and show the zoo share."""
