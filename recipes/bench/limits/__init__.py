"""Measurements of the limit kernels: how finite networks tend to them, and their speed beside neural-tangents."""
