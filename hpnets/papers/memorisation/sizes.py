"""How large the memorisation study is."""

from dataclasses import dataclass, replace

# Networks by the names that `nets.build` reads.
PRODUCTS = ("pnn-2-relu", "skip-2-relu", "skip-4-relu")
TWINS = tuple(f"{name}-sum" for name in PRODUCTS)
POLYNOMIALS = tuple(f"{family}-{degree}-none" for family in ("pnn", "skip", "ccp") for degree in (2, 3, 4))


@dataclass(frozen=True)
class Sizes:
    """The full study."""

    seeds: int = 5
    task: str = "digits"
    networks: tuple[str, ...] = ("mlp-sigmoid", "mlp-relu", *PRODUCTS, *TWINS)
    dim: int = 20
    samples: int = 300
    ratios: tuple[float, ...] = (64.0, 128.0, 256.0)
    square_samples: int = 400
    square_ratios: tuple[float, ...] = (2.0, 8.0, 32.0, 128.0, 512.0)
    edge_networks: tuple[str, ...] = ("mlp-relu", *PRODUCTS, "pnn-4-relu", "pnn-2-none", "ccp-2-none")
    edge_ratios: tuple[float, ...] = (0.9, 2.0, 4.0, 8.0, 16.0)
    rank_networks: tuple[str, ...] = (*POLYNOMIALS, "pnn-2-relu", "skip-2-relu", "skip-3-relu")
    rank_dims: tuple[int, ...] = (2, 4, 6)
    rank_widths: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    rank_points: int = 140
    trained: tuple[str, ...] = ("mlp-relu", "ccp-2-relu", "ccp-2-relu-sum", "ccp-4-none", "ccp-2-none")
    trained_dims: tuple[int, ...] = (10, 14)
    labels: int = 100
    tuned: tuple[str, ...] = ("ccp-2-relu", "ccp-2-relu-sum")
    rates: tuple[float, ...] = (0.3, 3.0)
    mapped: tuple[str, ...] = ("mlp-relu", "ccp-2-none")
    map_labels: tuple[int, ...] = (25, 50, 70)
    widths: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 11, 15, 20)
    steps: int = 4000
    limits: tuple[str, ...] = ("pnn-1-relu", "pnn-2-relu", "skip-2-relu", "pnn-2-relu-sum")
    sphere_dims: tuple[int, ...] = (3, 5)
    sphere_samples: tuple[int, ...] = (25, 50, 100, 200, 400)
    pixel_networks: tuple[str, ...] = ("mlp-sigmoid", "mlp-relu", "skip-2-relu", "skip-2-relu-sum")
    pixel_samples: tuple[int, ...] = (50, 100, 200, 400)
    pixel_width: int = 128

    @property
    def polynomials(self) -> tuple[str, ...]:
        """The trained networks without activation."""
        return tuple(network for network in self.trained if network.endswith("none"))


FEW = replace(Sizes(), samples=100, square_samples=100, edge_networks=("mlp-relu", "skip-2-relu", "ccp-2-none"))
FEWER = replace(FEW, rank_dims=(2, 4), rank_widths=(1, 2, 4), rank_points=50, sphere_samples=(25, 50, 100))
SHORT = replace(FEWER, widths=(2, 4, 8, 15), map_labels=(25, 70), pixel_samples=(50, 100), pixel_width=64)
QUICK = replace(SHORT, seeds=3, trained_dims=(10,), steps=1000)
LEAST = replace(QUICK, ratios=(64.0, 128.0), samples=20, square_samples=20, sphere_dims=(3,), rank_dims=(2,))
LESS = replace(LEAST, square_ratios=(2.0, 8.0, 32.0), edge_ratios=(0.9, 4.0), limits=("pnn-1-relu", "pnn-2-relu"))
SMALL = replace(LESS, rank_networks=("pnn-2-none", "pnn-2-relu"), sphere_samples=(10, 20), pixel_networks=("mlp-relu",))
TINY = replace(SMALL, rates=(3.0,), widths=(2, 15), map_labels=(25,), steps=10, pixel_samples=(5, 10))
