"""The contract of a task, and the table of tasks by name."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torchmetrics import MetricCollection

from hpnets.registry import ClassRegistry
from hpnets.tasks.augment import NONE, augmented
from hpnets.tasks.loading import Loader, eval_loader, train_loader
from hpnets.tasks.probe import Probe, random_rows
from hpnets.tasks.samples import Samples, Splits
from hpnets.tasks.sampling import TrainSampler
from hpnets.validate import at_least, require

Predict = Callable[[Tensor], Tensor]  # inputs (N, *input_shape) to the network's outputs (N, output_dim)


class Task(LightningDataModule):
    """What is learnt: data, measures and a probe set; everything is a function of the options alone.

    A subclass gives `input_shape`, `output_dim`, `monitor`, `monitor_mode` and `splits()`, and usually derives from
    ClassificationTask or RegressionTask in `hpnets.tasks.kinds`, the kinds of SupervisedTask. Use it with
    `Trainer(use_distributed_sampler=False)`: the loaders deal the samples to ranks themselves.

    batch_size: the batch over all ranks; seed: of the split, the probe and the shuffling; num_workers: of each loader.
    A task of images may set `augment`, the name in `hpnets.tasks.augment` of the change that training images get.
    """

    name: str
    input_shape: tuple[int, ...]
    output_dim: int
    monitor: str
    monitor_mode: str
    train_set: Samples
    val_set: Samples
    test_set: Samples
    augment: str = NONE
    repeats: int = 1  # how many times each training batch comes, one after another; adversarial training sets it
    train_indices: Tensor  # the rows of the source data set that train_set holds, in its order

    def __init__(self, batch_size: int, seed: int = 0, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size = at_least("batch_size", batch_size, 1)
        self.seed = at_least("seed", seed, 0)
        self.num_workers = at_least("num_workers", num_workers, 0)
        self._is_set_up = False

    @property
    def preprocessing(self) -> dict[str, list[float]]:
        """Arguments of torchvision.transforms.v2.Normalize in raw units, or {} where inputs are used as they are."""
        return {}

    @abstractmethod
    def splits(self) -> Splits:
        """Make the three data sets; called once, by `setup`."""

    def measures(self, predict: Predict) -> dict[str, float]:
        """Measures of the network as a whole, beside the means over test samples: name -> value."""
        return {}

    def picture(self, predict: Predict) -> Tensor | None:
        """A picture of what the network makes of the task, (1 or 3, height, width) in [0, 1]; None for no picture."""
        return None

    def setup(self, stage: str | None = None) -> None:
        """Load all three data sets, whatever the stage; does nothing the second time."""
        if self._is_set_up:
            return
        self.train_set, self.val_set, self.test_set = self.splits()
        self.train_indices = self.train_set.indices
        self._is_set_up = True

    @abstractmethod
    def probe(self, n: int) -> Probe:
        """n fixed inputs, the same in every run with this seed; raises ValueError for an n < 1 or too large."""

    def train_dataloader(self) -> Loader:
        """Shuffled batches of batch_size / world; raises ValueError if batch_size exceeds the training set."""
        self.setup()
        rows = len(self.train_set)
        require(self.batch_size <= rows, "batch_size", self.batch_size, f"at most {rows}, the training samples")
        plain = self.train_set
        samples = plain if self.augment == NONE else augmented(plain, self.augment, self.input_shape, self.seed)
        loader = train_loader(samples, self.batch_size, *self._ranks(), self.seed, self.num_workers, self.repeats)
        if self.trainer:
            # Lightning makes a resumed run's first iterator before it tells the sampler the epoch, and workers fetch
            # rows at once: they would repeat the first epoch's order, and the batches that the cut run had.
            cast(TrainSampler, loader.sampler).resume(self.trainer, rows=self.batch_size // self.trainer.world_size)
        return loader

    def val_dataloader(self) -> Loader | list[Loader]:
        """Every validation sample once over all ranks; no loader, [], if there are none, so that none is validated."""
        self.setup()
        return (
            []
            if len(self.val_set) == 0
            else eval_loader(self.val_set, self.batch_size, *self._ranks(), self.num_workers)
        )

    def test_dataloader(self) -> Loader:
        """Every test sample once over all ranks."""
        self.setup()
        return eval_loader(self.test_set, self.batch_size, *self._ranks(), self.num_workers)

    def _ranks(self) -> tuple[int, int]:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        multiples = f"multiples of {world}, the ranks that share a batch"
        require(self.batch_size % world == 0, "batch_size", self.batch_size, multiples)
        return world, rank


class SupervisedTask(Task):
    """A task of inputs with targets: it has a loss and metrics, and training samples for its probe set."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch, shape ()."""

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """New metrics, without a prefix, that take (outputs, targets)."""

    @abstractmethod
    def targets(self, y: Tensor) -> Tensor:
        """The outputs that would be right for the y (N, ...) of a batch, shape (N, output_dim), float."""

    def probe_rows(self, n: int, generator: torch.Generator) -> Tensor:
        """n different rows of train_set, ascending, shape (n,); see `random_rows`."""
        return random_rows(len(self.train_set), n, generator)

    def probe(self, n: int) -> Probe:
        """n training samples, without replacement, the same in every run with this seed.

        Raises ValueError if n is not in 1..len(train_set), or if a class has too few samples for balanced classes.
        """
        rows = self._checked_rows(n)
        x, y = self.train_set.batch(rows)
        return Probe(x, self.targets(y), self.train_indices[rows])

    def probe_batch(self, n: int) -> tuple[Tensor, Tensor]:
        """x (n, *input_shape) and y (n, ...) of the samples of `probe(n)`, as `loss` takes them; raises as `probe`."""
        return self.train_set.batch(self._checked_rows(n))

    def _checked_rows(self, n: int) -> Tensor:
        self.setup()
        size = len(self.train_set)
        require(at_least("n", n, 1) <= size, "n", n, f"a probe of at most {size}, the training samples")
        return self.probe_rows(n, torch.Generator().manual_seed(self.seed))


TASKS: ClassRegistry[SupervisedTask] = ClassRegistry("task")
T = TypeVar("T", bound=SupervisedTask)


def register_task(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator that enters a Task under `name`, which becomes its `name`; raises ValueError if it is taken."""

    def enter(cls: type[T]) -> type[T]:
        TASKS.register(name)(cls)
        cls.name = name
        return cls

    return enter
