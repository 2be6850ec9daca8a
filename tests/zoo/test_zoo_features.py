"""The features of a shipped classifier: what its last layer is given."""

import pytest
import torch

from hpnets.tasks import create_task
from hpnets.zoo import features_for, load_pretrained
from hpnets.zoo.features import Penultimate


def test_the_last_layer_on_them_gives_the_logits() -> None:
    task = create_task("digits")
    task.setup()
    raw = task.test_set.x[task.test_set.indices[:20]].float()
    pair = features_for("style_generator", "digits")
    assert pair is not None
    name, features = pair
    net, preprocess = load_pretrained(name)
    assert name == "mlp-digits"
    assert features(raw).shape == (20, 256)
    torch.testing.assert_close(net.get_submodule("V")(features(raw)), net(preprocess(raw)))


def test_they_are_frozen_and_leave_the_network_as_it_is() -> None:
    net, preprocess = load_pretrained("mlp-digits")
    features = Penultimate(net, preprocess)
    assert not [p for p in features.parameters() if p.requires_grad]
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert features.eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 256)


def test_there_are_none_for_classifiers_and_for_tasks_without_a_published_mlp() -> None:
    assert features_for("mlp", "digits") is None
    assert features_for("style_generator", "mnist") is None
    with pytest.raises(ValueError, match="unknown model 'mpl'"):
        features_for("mpl", "digits")
