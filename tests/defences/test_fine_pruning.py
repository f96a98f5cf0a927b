"""Fine-pruning on a net whose layers can be run by hand: which channels go, what is left of them, and when it stops."""

import numpy as np
import pytest
import torch
from torch import nn
from toy_models import assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.defences.fine_pruning import FinePruning, channels_off, last_convolution, prune_channels, pruning_order

CHANNELS, PIXELS = 12, 16
IMAGES = dyadic_images(96, seed=7)
LABELS = own_labels(small_net(), IMAGES).numpy()


def by_hand(net: nn.Module, gone: np.ndarray) -> torch.Tensor:
    """Logits with those columns of the last layer at zero that read these channels."""
    with torch.no_grad():
        features = net.features(IMAGES - 0.5).flatten(1)
        weight = net.head.weight.clone().reshape(4, CHANNELS, PIXELS)
        weight[:, torch.as_tensor(gone, dtype=torch.int64)] = 0
        return features @ weight.reshape(4, -1).T + net.head.bias


def logits(net: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return net(IMAGES)


def test_channels_go_in_the_order_of_their_mean_activation() -> None:
    net, as_bytes = small_net(), (IMAGES * 255).round().to(torch.uint8)
    for given, images in ((IMAGES, IMAGES), (as_bytes.numpy(), as_bytes / 255)):
        with torch.no_grad():
            activations = net.features(images - 0.5).double().mean(dim=(0, 2, 3)).numpy()
        assert len(set(np.round(activations, 6))) == CHANNELS
        assert np.array_equal(pruning_order(net, given), np.argsort(activations))


@pytest.mark.parametrize("gone", [[3], [0, 5, 11], list(range(CHANNELS))])
def test_a_pruned_channel_contributes_nothing_and_a_held_one_comes_back(gone: list[int]) -> None:
    net = small_net()
    expected, before = by_hand(net, np.array(gone)), logits(net)
    with channels_off(net, np.array(gone)):
        assert torch.allclose(logits(net), expected, atol=1e-6)
    assert torch.equal(logits(net), before)
    prune_channels(net, np.array(gone))
    assert torch.allclose(logits(net), expected, atol=1e-6)


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.4, 1.0])
def test_pruning_stops_before_the_accuracy_drops_too_far_and_leaves_the_model_as_it_was(drop: float) -> None:
    net = unsettle(small_net())
    before = state_of(net)
    chosen = FinePruning(drop=drop, portions=CHANNELS).choose(net, IMAGES, LABELS)
    assert_unchanged(net, before)
    assert not any(module._forward_hooks for module in net.modules())
    order = pruning_order(net.eval(), IMAGES)
    accuracy = [(by_hand(net, order[:count]).argmax(1).numpy() == LABELS).mean() for count in range(CHANNELS)]
    under = [count for count in range(CHANNELS) if accuracy[count] < 1 - drop]
    assert np.array_equal(chosen, order[: (under or [CHANNELS])[0] - 1])
    assert FinePruning(portions=4).counts(net) == [0, 3, 6, 9]


def test_tuning_trains_the_rest_and_pruned_channels_stay_at_zero() -> None:
    net, gone = small_net(), np.array([1, 4, 7])
    prune_channels(net, gone)
    before = state_of(net)
    FinePruning(epochs=2, learning_rate=1e-2).tune(net, IMAGES, LABELS, gone, seed=0, precision="fp32")
    convolution, norm = last_convolution(net)
    for parameter in (convolution.weight, convolution.bias, norm.weight, norm.bias):
        assert (parameter[gone] == 0).all()
        assert (parameter[np.setdiff1d(np.arange(CHANNELS), gone)] != 0).any()
    assert not torch.equal(convolution.weight, before["value features.4.weight"])
    assert torch.allclose(logits(net), by_hand(net, gone), atol=1e-6)


def test_a_convolution_without_batchnorm_leaves_by_itself_and_what_cannot_be_pruned_is_refused() -> None:
    net, plain = small_net(), nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.BatchNorm2d(6))
    assert last_convolution(plain) == (plain[1], plain[1])
    assert last_convolution(net) == (net.features[4], net.features[5])
    with pytest.raises(ValueError, match="convolution"):
        pruning_order(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), IMAGES)
    for wrong in ({"drop": 1.5}, {"portions": 0}, {"epochs": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FinePruning(**wrong)
