"""Seeds of their own for the uses of one seed of a study."""

import hashlib


def seed_for(use: str, seed: int) -> int:
    """A seed for one use, such as "objective" or "optimiser", of the study's `seed`; draws for two uses are unrelated.

    Generators with one seed draw the same numbers: an optimiser that samples functions would draw the objective itself.
    """
    return int.from_bytes(hashlib.sha256(f"{use} {seed}".encode()).digest()[:4])
