"""The limit kernels measured: how finite networks tend to them, and their speed beside neural-tangents."""
