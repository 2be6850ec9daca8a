"""Pictures in folders: what is read of which file, how they are split, and what is refused or left out."""

import math
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hpnets.tasks import Task, create_task
from hpnets.tasks.pictures import Pictures
from tests.tasks.picture_files import SIDE, write_pictures


def task_on(root: Path, **options: Any) -> Any:
    task = create_task("image_folder", **{"root": str(root), "size": SIDE, "batch_size": 8} | options)
    task.setup()
    return task


def raw(task: Task, samples: Any) -> Tensor:
    mean, std = (torch.tensor(task.preprocessing[key]).view(-1, 1, 1) for key in ("mean", "std"))
    return samples.batch(range(len(samples)))[0] * std + mean


def test_pixels_and_labels_come_back_in_the_order_of_the_paths(tmp_path: Path) -> None:
    written = write_pictures(tmp_path, classes=3, each=20)
    task = task_on(tmp_path)
    assert (task.input_shape, task.output_dim, task.classes) == ((3, SIDE, SIDE), 3, ["class0", "class1", "class2"])
    assert [len(s) for s in (task.train_set, task.val_set, task.test_set)] == [48, 6, 6]
    for samples in (task.train_set, task.val_set, task.test_set):
        pixels = np.stack([list(written.values())[row] for row in samples.indices.tolist()])
        torch.testing.assert_close(
            raw(task, samples), torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), atol=1e-3, rtol=0
        )
        assert torch.equal(samples.labels, samples.indices // 20)
        assert samples.labels.bincount(minlength=3).unique().numel() == 1
    rows = torch.cat([s.indices for s in (task.train_set, task.val_set, task.test_set)])
    assert torch.equal(rows.sort().values, torch.arange(60))


def test_what_is_held_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    """A picture costs its name, its label and its row; one of SIDE x SIDE pixels would cost 432 bytes more."""
    write_pictures(tmp_path, classes=2, each=20)
    few = len(pickle.dumps(task_on(tmp_path).train_set))
    write_pictures(tmp_path / "more", classes=2, each=60)
    many = len(pickle.dumps(task_on(tmp_path / "more").train_set))
    assert (many - few) / 80 < 40


def test_the_middle_square_is_resized(tmp_path: Path) -> None:
    for name, size, box in (("wide", (90, 30), (30, 0, 60, 30)), ("tall", (30, 90), (0, 30, 30, 60))):
        picture = Image.new("RGB", size, (255, 0, 0))
        picture.paste((0, 100, 200), box)
        picture.save(tmp_path / f"{name}.png")
    x = Pictures(tmp_path, ["wide.png", "tall.png"], 7, 3)[torch.tensor([0, 1])]
    assert x.shape == (2, 3, 7, 7)
    # The outermost pixels are averages with what lies beyond the edge.
    expected = torch.tensor([0, 100, 200], dtype=torch.uint8).view(3, 1, 1)
    assert torch.equal(x[:, :, 1:-1, 1:-1], expected.expand(2, 3, 5, 5))


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    right = np.arange(640)[None, :, None] / 640 * np.array([200, 100, 50])
    down = np.arange(480)[:, None, None] / 480 * np.array([50, 100, 200])
    Image.fromarray((right + down).astype(np.uint8)).save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as image:
        middle = image.convert("RGB").crop((80, 0, 560, 480)).resize((30, 30), Image.Resampling.BOX)
    x = Pictures(tmp_path, ["large.jpg"], 30, 3)[torch.tensor([0])]
    difference = x[0].permute(1, 2, 0).float() - torch.from_numpy(np.array(middle)).float()
    assert difference.abs().max() < 4


def test_modes_become_colour_or_grey(tmp_path: Path) -> None:
    colour = Image.new("RGB", (4, 4), (10, 200, 30))
    grey = Image.new("L", (4, 4), 77)
    modes = {"L": grey, "LA": grey.convert("LA"), "1": Image.new("1", (4, 4), 1)}
    modes |= {"RGB": colour, "RGBA": colour.convert("RGBA"), "P": colour.convert("P", palette=Image.Palette.ADAPTIVE)}
    for mode, picture in modes.items():
        picture.save(tmp_path / f"{mode}.png")
    names = [f"{mode}.png" for mode in modes]
    rows = torch.arange(6)
    in_colour, in_grey = (Pictures(tmp_path, names, 4, channels)[rows] for channels in (3, 1))
    expected = [[77] * 3, [77] * 3, [255] * 3, *[[10, 200, 30]] * 3]
    assert in_colour[:, :, 0, 0].tolist() == expected
    luminance = round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)
    assert in_grey[:, :, 0, 0].tolist() == [[77], [77], [255], *[[luminance]] * 3]


def test_folders_of_the_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for i, part in enumerate(("train", "val", "test")):
        write_pictures(tmp_path / part, classes=2, each=10 + i, seed=i)
    task = task_on(tmp_path)
    assert [s.indices.tolist() for s in (task.train_set, task.val_set, task.test_set)] == [
        *(list(range(20)), list(range(20, 42)), list(range(42, 66)))
    ]
    assert task.test_set.labels.tolist() == [0] * 12 + [1] * 12
    shutil.rmtree(tmp_path / "val")
    task = task_on(tmp_path)
    assert (len(task.train_set), len(task.val_set), len(task.test_set)) == (18, 2, 24)
    assert set(task.val_set.indices.tolist()) < set(range(20))
    (tmp_path / "plane").mkdir()
    with pytest.raises(ValueError, match="class 'plane' has 0 training pictures"):  # so `train` is a class, too
        task_on(tmp_path)


def test_the_constants_are_those_of_training_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = np.stack(list(write_pictures(tmp_path, classes=2, each=20).values())).astype(float)
    task = task_on(tmp_path)
    train = written[task.train_indices.numpy()]
    np.testing.assert_allclose(task.preprocessing["mean"], train.mean((0, 1, 2)))
    np.testing.assert_allclose(task.preprocessing["std"], train.std((0, 1, 2)))
    monkeypatch.setattr("hpnets.tasks.image_folder.SAMPLED", 5)
    sampled = [task_on(tmp_path).preprocessing for _ in range(2)]
    assert sampled[0] == sampled[1] != task.preprocessing
    assert task_on(tmp_path, normalise="imagenet").preprocessing["mean"] == [123.675, 116.28, 103.53]


def test_pictures_of_one_colour_have_finite_inputs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.new("L", (SIDE, SIDE), 9).save(tmp_path / name / f"{i}.png")
    assert task_on(tmp_path).train_set.batch([0])[0].tolist() == torch.zeros(1, 3, SIDE, SIDE).tolist()


def damage(root: Path) -> None:
    """Three files that are no picture of 8 bits a channel."""
    whole = (root / "class0" / "00.png").read_bytes()
    (root / "class0" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "class1" / "text.jpg").write_text("no picture")
    Image.fromarray(np.full((4, 4), 60_000, np.uint16)).save(root / "class1" / "deep.png")


def test_broken_files_are_refused_by_name_or_left_out(tmp_path: Path) -> None:
    write_pictures(tmp_path, classes=2, each=20)
    clean = task_on(tmp_path)
    damage(tmp_path)
    for workers in (0, 2):
        cut = re.escape(f"{tmp_path}/class0/cut.png cannot be read as a picture: ")
        with pytest.raises(ValueError, match=rf"^{cut}.* \(3 of 43 files\); allowed: .*--task.broken skip"):
            task_on(tmp_path, num_workers=workers)
    with pytest.warns(UserWarning, match=r"3 of 43 files in .* skipped: .*cut.png, .*deep.png, .*text.jpg"):
        skipping = task_on(tmp_path, broken="skip")
    assert skipping.preprocessing == clean.preprocessing
    assert skipping.digest == clean.digest
    for a, b in ((skipping.train_set, clean.train_set), (skipping.test_set, clean.test_set)):
        assert torch.equal(a.batch(range(len(a)))[0], b.batch(range(len(b)))[0])
        assert torch.equal(a.labels, b.labels)


@pytest.mark.parametrize("workers", [0, 1])
def test_late_a_broken_file_is_refused_when_it_is_read(tmp_path: Path, workers: int) -> None:
    write_pictures(tmp_path, classes=2, each=20)
    task = task_on(tmp_path, broken="late", num_workers=workers)
    row = int(task.test_set.indices[0])
    broken = tmp_path / f"class{row // 20}" / f"{row % 20:02d}.png"
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read as a picture") as caught:
        list(task.test_dataloader())
    assert str(caught.value).startswith(f"{broken} cannot")
    assert "\n" not in str(caught.value)


def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path, classes=2, each=20)
    alone, helped = (list(task_on(tmp_path, num_workers=n).train_dataloader()) for n in (0, 2))
    assert len(alone) == len(helped) == 4
    for (x, y), (x_helped, y_helped) in zip(alone, helped, strict=True):
        assert torch.equal(x, x_helped)
        assert torch.equal(y, y_helped)


def test_its_pictures_can_be_augmented(tmp_path: Path) -> None:
    write_pictures(tmp_path, classes=2, each=20)
    plain, changed = (task_on(tmp_path, augment=name, num_workers=1) for name in ("none", "crop_flip"))
    (x, y), (x_changed, y_changed) = (next(iter(task.train_dataloader())) for task in (plain, changed))
    assert torch.equal(y, y_changed)
    assert not torch.equal(x, x_changed)
    assert torch.equal(plain.probe(4).x, changed.probe(4).x)


def test_folders_that_are_no_classification_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "one", classes=1, each=20)
    for name in ("a", "b"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    write_pictures(tmp_path / "few", classes=2, each=4)
    write_pictures(tmp_path / "rare", classes=2, each=20)
    for path in sorted((tmp_path / "rare" / "class1").iterdir())[2:]:
        path.unlink()
    write_pictures(tmp_path / "parts" / "train", classes=2, each=10)
    write_pictures(tmp_path / "parts" / "val", classes=3, each=3)
    for name, message in {
        "one": "holds only that of the class 'class0'; allowed: at least 2",
        "few": "allowed: at least 10 training pictures, there are 8",
        "empty": "the class 'a' has 0 training pictures",
        "rare": r"the class 'class1' has 2 training pictures \(.jpg, .*; allowed: at least 3",
        "parts": "allowed: in .*/val the classes of the training part, not 'class2'",
    }.items():
        with pytest.raises(ValueError, match=rf"root is '.*{name}'.* {message}"):
            task_on(tmp_path / name)


def test_a_generator_takes_its_pictures(tmp_path: Path) -> None:
    """The bounds of black and white are those of the pictures, as are the real pictures that distances are to."""
    from hpnets.tasks.generation import GenerationTask

    written = write_pictures(tmp_path, classes=2, each=30)
    task = GenerationTask(task_on(tmp_path), 4)
    task.setup()
    real = torch.from_numpy(np.stack(list(written.values()))).permute(0, 3, 1, 2).float().flatten(1)
    made = (real[: len(task.test_set)] - 128) / 74
    assert math.isfinite(task.measures(lambda z: made[: len(z)].repeat(2, 1)[: len(z)])["frechet"])
    task.load_state_dict(task.state_dict())
    with pytest.raises(ValueError, match="the data of task 'image_folder' is not what the run began with"):
        task.load_state_dict({"digest": "of another folder"})
    assert task.picture(lambda z: made.repeat(20, 1)[: len(z)]).shape[0] == 3
