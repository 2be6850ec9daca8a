"""Hadamard-product networks in PyTorch Lightning, with their neural tangent kernel measured while they train."""
