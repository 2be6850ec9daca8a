"""What the kernel refuses, and that it leaves a network as it found it, even when it is interrupted."""

import copy
import sys
import threading
from types import FrameType
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._functorch import eager_transforms, vmap
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from hpnets.models import create_model
from hpnets.ntk import _functional, _proof, _tape, ntk, ntk_blocks, plan, sketch
from tests.ntk.odd_truth import inputs, kernel
from tests.ntk.oracle import dense_kernel, relative
from tests.ntk.snapshot import arithmetic, same, snapshot
from tests.odd_modules import ODD_MODULES


class Fuse:
    """Counts the calls of a network, outside of it, and raises in the last one that it allows."""

    calls, allowed = 0, 10**9

    def count(self) -> None:
        self.calls += 1
        if self.calls >= self.allowed:
            raise KeyboardInterrupt if self.allowed % 2 else RuntimeError("interrupted")


class Counting(nn.Module):
    """A net with buffers that it writes to, and random draws that do not matter."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)
        self.gain = nn.Parameter(torch.ones(6))
        self.register_buffer("seen", torch.zeros(()))
        self.count = fuse.count

    def forward(self, x: Tensor) -> Tensor:
        self.count()
        self.seen.add_(1)
        torch.rand(1)
        return self.b(torch.relu_(self.norm(self.a(x))) * self.gain)


def prepared() -> tuple[Counting, Tensor, Fuse]:
    torch.manual_seed(0)
    fuse = Fuse()
    net, x = Counting(fuse).eval(), torch.randn(6, 4)
    net(x).sum().backward()
    net.b.bias.requires_grad_(False)
    net.a.train()
    fuse.calls = 0
    return net, x, fuse


CALLS = {
    "structured": lambda net, x: ntk(net, x, outputs="full", algorithm="structured"),
    "tiles": lambda net, x: ntk(net, x, outputs="full", algorithm="structured", memory="7KB"),
    "jacobian": lambda net, x: ntk(net, x, outputs="trace", algorithm="jacobian"),
    "sketch": lambda net, x: sketch(net, x, outputs="full", samples=3, seed=0),
    "blocks": lambda net, x: ntk_blocks(net, x, outputs="full"),
    "plan": lambda net, x: plan(net, x, outputs="full"),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_of_the_network_changes(name: str) -> None:
    net, x, fuse = prepared()
    before = snapshot(net)
    CALLS[name](net, x)
    assert fuse.calls > 1
    assert same(before, snapshot(net))


def test_calls_in_several_threads_do_not_disturb_each_other() -> None:
    names = ["FusedAttention", "GRUOfTwoLayers", "DrawThatDoesNotMatter", "Attention"]
    made = {name: (ODD_MODULES[name].net(), inputs(name)[0], kernel(name)) for name in names}
    before, state, wrong = arithmetic(), torch.get_rng_state(), list[str]()

    def compute(start: int) -> None:
        for i in range(8):
            name = names[(start + i) % len(names)]
            net, x, expected = made[name]
            try:
                assert relative(ntk(copy.deepcopy(net), x, outputs="full"), expected) < 1e-10
            except (AssertionError, ValueError) as error:
                wrong.append(f"{name}: {error}")

    threads = [threading.Thread(target=compute, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert arithmetic() == before
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("allowed", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_changes_when_interrupted(name: str, allowed: int) -> None:
    net, x, fuse = prepared()
    before = snapshot(net)
    fuse.allowed = allowed
    try:
        CALLS[name](net, x)
    except (RuntimeError, KeyboardInterrupt, ValueError):
        pass
    else:
        # A plan gets over a survey that raises: the ways without hooks are left.
        assert fuse.calls < allowed or name == "plan"
    assert same(before, snapshot(net))


class Alarm:
    """Raises KeyboardInterrupt at the n-th line that runs in some files, as Ctrl-C does between any two lines."""

    FILES = tuple(module.__file__ for module in (_functional, _tape, _proof, vmap, eager_transforms))

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> None:
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        return self._stepped if frame.f_code.co_filename in self.FILES else None

    def _stepped(self, frame: FrameType, event: str, value: object) -> Any:
        self.left -= 1
        if self.left == 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return self._stepped


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("algorithm", ["structured", "jacobian"])
def test_nothing_changes_when_interrupted_at_any_line(algorithm: str) -> None:
    """Also while something is being put back: a hook, a parameter, a level of torch.func."""
    net, x, _ = prepared()
    before, kernel = snapshot(net), ntk(net, x, outputs="full", algorithm=algorithm)
    at, interrupted = 1, True
    while interrupted:
        alarm = Alarm(at)
        try:
            with alarm:
                ntk(net, x, outputs="full", algorithm=algorithm)
            interrupted = alarm.left <= 0
        except (KeyboardInterrupt, RuntimeError):
            pass
        assert same(before, snapshot(net)), at
        assert torch._C._functorch.get_dynamic_layer_stack_depth() == 0, at
        at += 1 + at // 20
    assert at > 100
    assert torch.equal(ntk(net, x, outputs="full", algorithm=algorithm), kernel)


def test_interrupted_in_a_backward_pass() -> None:
    class Breaks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            raise RuntimeError("interrupted")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(Breaks.apply(self.a(x)))

    net = Net()
    before = snapshot(net)
    with pytest.raises(RuntimeError, match="interrupted"):
        ntk(net, X, outputs="full")
    assert same(before, snapshot(net))


MLP = lambda: create_model("mlp", input_shape=(4,), output_dim=3, width=5)  # noqa: E731
X = torch.randn(4, 4)
BAD = {
    "half precision": (lambda: ntk(MLP().half(), X.half(), outputs="full"), "float32 or all float64"),
    "mixed precision": (lambda: ntk(MLP(), X.double(), outputs="full"), "x1 has dtype"),
    "integer input": (lambda: ntk(MLP(), X.long(), outputs="full"), r"x1 has dtype torch.int64.*x.long\(\)"),
    "batchnorm training": (
        lambda: ntk(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), X, outputs="full"),
        r"net.eval\(\)",
    ),
    "dropout": (lambda: ntk(nn.Sequential(nn.Linear(4, 3), nn.Dropout()), X, outputs="full"), r"net.eval\(\)"),
    "batchnorm without statistics": (
        lambda: ntk(
            nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3)).eval(), X, outputs="full"
        ),
        "tracks no statistics",
    ),
    "coupled samples": (lambda: ntk(Coupled(), X, outputs="full"), "another output beside others"),
    "no parameters": (lambda: ntk(MLP().requires_grad_(False), X, outputs="full"), "no parameter to differentiate"),
    "empty params": (lambda: ntk(MLP(), X, outputs="full", params={}), "no parameter to differentiate"),
    "unknown parameter": (lambda: ntk(MLP(), X, outputs="full", params={"w": X}), "no parameter 'w'"),
    "outputs not (N, O)": (lambda: ntk(nn.Sequential(MLP(), nn.Unflatten(1, (3, 1))), X, outputs="full"), r"\(N, O\)"),
    "NaN": (lambda: ntk(MLP(), X * torch.nan, outputs="full"), "NaN"),
    "different shapes": (lambda: ntk(MLP(), X, X[:, :3], outputs="full"), "x2 holds samples of shape"),
    "no samples": (lambda: ntk(MLP(), X[:0], outputs="full"), "N >= 1"),
    "budget": (lambda: ntk(MLP(), X, outputs="full", memory="10B"), "memory is .* allowed: at least"),
    "budget text": (lambda: ntk(MLP(), X, outputs="full", memory="much"), "memory is 'much'"),
    "budget of the fallback": (lambda: ntk(MLP(), X, outputs="full", memory="1KB", algorithm="jacobian"), "at least"),
    "algorithm": (lambda: ntk(MLP(), X, outputs="full", algorithm="fast"), "auto, structured, jacobian, loop, ntkvp"),
    "no outputs": (lambda: ntk(MLP(), X), "outputs is not given"),
    "unknown outputs": (lambda: ntk(MLP(), X, outputs="all"), "'full', 'trace', 'sum'"),
    "bool output": (lambda: ntk(MLP(), X, outputs=True), "outputs is True"),
    "logit out of range": (lambda: ntk(MLP(), X, outputs=3), "logits 0 to 2"),
    "logits out of range": (lambda: ntk(MLP(), X, outputs=(0, -1)), "logits 0 to 2"),
    "no logits": (lambda: ntk(MLP(), X, outputs=()), "outputs is"),
    "cotangents": (lambda: ntk(MLP(), X, outputs=torch.ones(2, 2)), r"cotangents \(3, C\)"),
}


class Coupled(nn.Module):
    """Every output depends on every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x - x.mean(0))


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    run, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        run()


def test_refused_before_work() -> None:
    net, x, fuse = prepared()
    with pytest.raises(ValueError, match=r"memory is .* allowed: at least"):
        ntk(net, x, outputs="full", memory="100B")
    assert fuse.calls <= 3


def test_wrappers_are_taken_off() -> None:
    net, x = MLP().double(), X.double()
    truth = dense_kernel(net, x)
    compiled: Any = torch.compile(net)  # a Module, which the stubs call a function
    assert relative(ntk(compiled, x, outputs="full"), truth) < 1e-10
    assert relative(ntk(compiled, x, outputs="full", params=dict(compiled.named_parameters())), truth) < 1e-10
    assert relative(ntk(nn.DataParallel(net), x, outputs="full"), truth) < 1e-10
    inside = nn.Sequential(compiled, nn.Identity())
    assert relative(ntk(inside, x, outputs="full"), truth) < 1e-10
    net.compile()
    assert relative(ntk(net, x, outputs="full"), truth) < 1e-10


class FullyShardedDataParallel(nn.Module):
    """Stands for FSDP, which wants a GPU."""


def test_sharded_net_is_refused() -> None:
    """By FSDP, and by FSDP2, also while its layers have their whole weights for once."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        split: Any = fully_shard(MLP(), mesh=init_device_mesh("cpu", (1,)))
        whole: Any = fully_shard(MLP(), mesh=init_device_mesh("cpu", (1,)))
        whole.unshard()
        for net in (split, whole, nn.Sequential(MLP(), FullyShardedDataParallel())):
            with pytest.raises(ValueError, match=r"^net is sharded \(FSDP\).*; pass an unsharded copy of it$"):
                ntk(net, X, outputs="full")
    finally:
        dist.destroy_process_group()


def test_networks_without_batching_rules_take_the_loop() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l, self.o = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.o(self.l(x)[0][:, -1])

    torch.manual_seed(0)
    net, x = Recurrent().double(), torch.randn(3, 6, 4, dtype=torch.float64)
    for algorithm in ("auto", "jacobian"):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm), dense_kernel(net, x)) < 1e-10


class Noting(nn.Module):
    """A layer that gives a sequence, and a read-out; it notes outside of it the arithmetic that it is called in."""

    def __init__(self, layer: nn.Module, note: Any) -> None:
        super().__init__()
        self.layer, self.out, self.note = layer, nn.Linear(5, 2), note

    def forward(self, x: Tensor) -> Tensor:
        self.note(tuple(arithmetic().items()))
        h = self.layer(x)
        return self.out((h[0] if isinstance(h, tuple) else h).mean(1))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("name", ["structured", "jacobian", "sketch", "plan"])
def test_products_are_whole_and_recurrent_layers_are_torchs_own(name: str, recurrent: bool) -> None:
    noted, mode = set[tuple[Any, ...]](), torch.get_float32_matmul_precision()
    layer = nn.LSTM(4, 5, batch_first=True) if recurrent else nn.Linear(4, 5)
    net, x = Noting(layer, noted.add), torch.randn(6, 3, 4)
    torch.set_float32_matmul_precision("medium")
    try:
        before = arithmetic()
        CALLS[name](net, x)
        assert arithmetic() == before
    finally:
        torch.set_float32_matmul_precision(mode)
    assert before["cuda.matmul"] == "tf32"
    assert before["mkldnn.matmul"] == "bf16"
    whole = {key: "ieee" for key in before if "." in key}
    assert noted == {tuple({**whole, "cudnn": not recurrent, "mha": False}.items())}


class WithoutBackward(torch.autograd.Function):
    """x, whose backward pass says what cuDNN's recurrent functions say in eval mode."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        raise RuntimeError("cudnn RNN backward can only be called in training mode")


class CallsCudnn(nn.Linear):
    """A layer that calls such a function."""

    def forward(self, x: Tensor) -> Tensor:
        return WithoutBackward.apply(super().forward(x))


def test_cudnns_recurrent_functions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"recurrent function of cuDNN.*within torch.backends.cudnn.flags"):
        ntk(CallsCudnn(4, 3), torch.randn(5, 4), outputs="full")
