"""What papers are made of: their networks, data, training loops and measures, each a module; none imports a paper."""
