"""What tasks of several kinds have as options, with the line of text that each is described by."""

from typing import Annotated

from hpnets.option_sets import Option

BatchSize = Annotated[int, Option("samples of a batch, over all ranks together")]
Seed = Annotated[int, Option("of the split, the probe set and the order of the samples")]
NumWorkers = Annotated[int, Option("processes that load each of the data sets")]
TrainSize = Annotated[int, Option("training samples")]
TestSize = Annotated[int, Option("test samples, and as many validation samples")]
