"""The zoo: its index, its refusals, and every checkpoint that is shipped."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hpnets import zoo
from hpnets.atomic_files import sha256_of, write_tensors
from hpnets.commands.evaluate import from_zoo
from hpnets.models import create_model, model_options
from hpnets.models.cost import cost
from hpnets.options import RunOptions
from hpnets.tasks import create_task
from hpnets.training.build import complete
from hpnets.zoo import Entry, entries, list_pretrained, load_pretrained, pretrained_entry
from hpnets.zoo.index import add_entry, checkpoints_folder
from recipes.zoo.cells import CONFIGS, find_cells
from tests.published import bundled_first
from tests.training.runs import ROOT

SHIPPED = entries()


def write_zoo(folder: Path, name: str = "small", **changes: Any) -> nn.Module:
    """A fresh network with BatchNorm, written and entered as a checkpoint; the network."""
    torch.manual_seed(1)
    model = {"name": "resnet18", "width": 2}
    net = create_model("resnet18", input_shape=(1, 8, 8), output_dim=10, width=2)
    write_tensors(folder / f"{name}.safetensors", net.state_dict())
    entry = Entry(
        name=name,
        file=f"{name}.safetensors",
        sha256=sha256_of(folder / f"{name}.safetensors"),
        model=model,
        task={"name": "digits", "seed": 3},
        input_shape=[1, 8, 8],
        output_dim=10,
        preprocessing=create_task("digits", seed=3).preprocessing,
        seeds=[0, 1, 2],
        metrics={"test/accuracy": {"weights": 0.9, "mean": 0.9, "std": 0.1}},
        command="none",
        versions={"torch": "2.11", "wandb": None},
        parameters=1,
        flops=2,
        products=0,
        seconds={"mean": 1.0, "std": 0.1, "threads": 1},
        kernel={},
        twin=None,
        fingerprint={"probe": 5, "trace": 1.0, "eigenvalues": [1.0]},
    )
    add_entry(replace(entry, **changes), folder)
    return net


def test_the_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    for name in ("b", "a", "b"):
        write_zoo(tmp_path, name)
    assert list(entries(tmp_path)) == ["a", "b"]
    entry = pretrained_entry("a", tmp_path)
    assert Entry.from_dict(json.loads(json.dumps(asdict(entry)))) == entry
    assert entries(tmp_path / "none") == {}


def test_unknown_and_missing_fields_are_refused(tmp_path: Path) -> None:
    write_zoo(tmp_path)
    value = asdict(pretrained_entry("small", tmp_path))
    with pytest.raises(ValueError, match="index entry 'small': fields licence are missing or unknown"):
        Entry.from_dict({**value, "licence": "MIT"})
    del value["sha256"]
    with pytest.raises(ValueError, match="index entry 'small': fields sha256 are missing or unknown"):
        Entry.from_dict(value)
    (tmp_path / "index.json").write_text(json.dumps([value]))
    with pytest.raises(ValueError, match="fields sha256 are missing"):
        load_pretrained("small", tmp_path)


def test_a_checkpoint_comes_back_in_eval_mode(tmp_path: Path) -> None:
    net = write_zoo(tmp_path)
    loaded, _ = load_pretrained("small", tmp_path)
    assert not any(module.training for module in loaded.modules())
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(loaded(x), net.eval()(x))
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in loaded.state_dict().items())


def test_the_preprocessing_is_the_tasks(tmp_path: Path) -> None:
    write_zoo(tmp_path)
    task = create_task("digits", seed=3)
    task.setup()
    raw = task.train_set.x[task.train_indices[:9]].float()
    _, preprocess = load_pretrained("small", tmp_path)
    torch.testing.assert_close(preprocess(raw), task.train_set.batch(range(9))[0])
    write_zoo(tmp_path, "raw", preprocessing={})
    assert torch.equal(load_pretrained("raw", tmp_path)[1](raw), raw)


@pytest.mark.parametrize("position", [0, 8, 60, 2000, -1])
def test_a_flipped_byte_is_refused(tmp_path: Path, position: int) -> None:
    write_zoo(tmp_path)
    content = bytearray((tmp_path / "small.safetensors").read_bytes())
    content[position] ^= 1
    (tmp_path / "small.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"small\.safetensors was changed: its sha256 is \w+, recorded is \w+"):
        load_pretrained("small", tmp_path)


def test_a_truncated_or_missing_file_is_refused(tmp_path: Path) -> None:
    write_zoo(tmp_path)
    path = tmp_path / "small.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="was changed: its sha256 is"):
        load_pretrained("small", tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=f"no such file: {path}"):
        load_pretrained("small", tmp_path)


def test_a_wrong_hash_in_the_index_is_refused(tmp_path: Path) -> None:
    write_zoo(tmp_path, sha256="0" * 64)
    with pytest.raises(ValueError, match=r"recorded is 0{64}"):
        load_pretrained("small", tmp_path)


@pytest.mark.parametrize("digest", [None, "", "0"])
def test_an_entry_without_a_hash_is_refused(tmp_path: Path, digest: Any) -> None:
    write_zoo(tmp_path, sha256=digest)
    with pytest.raises(ValueError, match="sha256"):
        load_pretrained("small", tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_zoo(tmp_path, model={"name": "resnet18", "width": 3})
    with pytest.raises(
        ValueError, match=r"'small': its weights do not fit its model [^:]*: .*width.*: [^$]*conv1\.weight"
    ):
        load_pretrained("small", tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    write_zoo(tmp_path)
    with pytest.raises(ValueError, match=r"unknown checkpoint 'smal'; did you mean small\?"):
        load_pretrained("smal", tmp_path)


def test_list_pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zoo(tmp_path, "b-digits")
    write_zoo(tmp_path, "a-line")
    monkeypatch.setattr(zoo.index, "checkpoints_folder", lambda: tmp_path)
    assert list_pretrained() == ["a-line", "b-digits"]
    assert list_pretrained("*-digits") == ["b-digits"]


def test_every_cell_is_shipped_as_its_config_says() -> None:
    cells = {cell.name: cell for cell in find_cells("*", ROOT / CONFIGS)}
    assert set(SHIPPED) == set(cells)
    for name, entry in SHIPPED.items():
        options = cells[name].options(entry.seeds[0])
        # Options that came later have their defaults, which change nothing.
        shipped = complete(RunOptions(dict(entry.model), dict(entry.task)))
        assert json.dumps([options.model, options.task]) == json.dumps([shipped.model, shipped.task])
        assert entry.command == cells[name].command(entry.seeds[0])


def test_every_file_is_of_an_entry() -> None:
    files = {path.name for path in checkpoints_folder().glob("*.safetensors")}
    assert files == {entry.file for entry in SHIPPED.values()}
    others = {path.name for path in checkpoints_folder().iterdir()} - files
    assert others <= {"index.json", "README.md", ".keep"}


@pytest.mark.parametrize("name", bundled_first(SHIPPED))
def test_a_shipped_checkpoint_is_as_its_entry_says(name: str) -> None:
    entry = SHIPPED[name]
    assert sha256_of(checkpoints_folder() / entry.file) == entry.sha256
    assert len(set(entry.seeds)) == len(entry.seeds) >= 3
    assert entry.metrics
    for metric in entry.metrics.values():
        assert metric.keys() == {"weights", "mean", "std"}
    for key in ("drift", "cosine_drift", "effective_rank"):
        assert entry.kernel[key].keys() == {"mean", "std"}
        assert entry.kernel[key]["mean"] > 0
    assert {"decay_exponent", "decay_window", "zero_gradient"} <= entry.kernel.keys()
    assert 0 < entry.seconds["mean"] < 200
    check_twin(entry)
    _, task, _ = from_zoo(name, root=None)
    assert (list(task.input_shape), task.output_dim) == (entry.input_shape, entry.output_dim)
    net, preprocess = load_pretrained(name)
    assert net(preprocess(torch.rand(2, *entry.input_shape))).shape == (2, entry.output_dim)
    assert asdict(cost(net, entry.input_shape)) == {
        key: getattr(entry, key) for key in ("parameters", "flops", "products")
    }


def check_twin(entry: Entry) -> None:
    """A network with a product has an additive twin that differs in nothing else, compared seed by seed."""
    if entry.model.get("product") != "hadamard":
        assert entry.model.get("product") == "sum" or "product" not in model_options(entry.model["name"])
        assert entry.twin is None
        return
    assert entry.twin is not None
    assert entry.twin["model"] == {**entry.model, "product": "sum"}
    assert entry.twin["seeds"] == entry.seeds
    ours = (entry.twin.get("tuning") or {}).get("net_metrics", entry.metrics)
    for name, metric in ours.items():
        difference = entry.twin["difference"][name]["mean"]
        assert difference == pytest.approx(metric["mean"] - entry.twin["metrics"][name]["mean"])


def test_the_checkpoints_together_are_small() -> None:
    assert sum(path.stat().st_size for path in checkpoints_folder().glob("*.safetensors")) < 60e6
