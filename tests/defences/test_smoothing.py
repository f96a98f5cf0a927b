"""Certificates against closed forms: linear models, whose smoothed classifier is known (Cohen et al., section 3)."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta, norm
from torch import Tensor, nn
from toy_models import Linear, assert_unchanged, dyadic_images, seeded, small_net, state_of

from mri_robust.core.errors import UserError
from mri_robust.core.registry import Spec
from mri_robust.defences.smoothing import ABSTAINS, GaussianNoise, Smoothing
from mri_robust.models.randomised import Averaged, Noisy

SIGMA = 0.25


def plane(distances: Tensor) -> tuple[Linear, Tensor]:
    """A linear model of two classes, and 4x4 images at signed L2 distances from its plane, the second class's side."""
    normal = nn.functional.normalize(torch.randn(16, generator=seeded(3)), dim=0)
    images = (0.5 + distances[:, None] * normal).reshape(-1, 1, 4, 4)
    assert 0 <= images.min() <= images.max() <= 1
    return Linear(torch.stack([-normal, normal]), 0.5 * normal.sum() * torch.tensor([1.0, -1.0])).eval(), images


def test_a_linear_models_radius_is_the_distance_to_its_plane_from_below() -> None:
    distances = torch.tensor([-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4])
    model, images = plane(distances)
    reach, classes = distances.abs().numpy(), (distances > 0).long().numpy()
    for draws, slack in ((1000, 0.25), (30_000, 0.06)):
        found = Smoothing(SIGMA, draws=draws)(model, images, generator=seeded())
        assert np.array_equal(found.predicted, classes)
        assert (found.radius <= reach).all()
        assert (found.radius > (1 - slack) * reach - 0.1 * slack).all()
        assert (found.votes.sum(1) == draws).all()
        # The share of draws on the image's side of the plane is Phi(distance / sigma).
        np.testing.assert_allclose(found.votes.max(1) / draws, norm.cdf(reach / SIGMA), atol=4 / math.sqrt(4 * draws))


def test_an_image_on_the_plane_has_no_certificate_and_few_far_from_it_have_one_too_long() -> None:
    model, images = plane(torch.zeros(40))
    found = Smoothing(SIGMA)(model, images, generator=seeded())
    assert (found.predicted == ABSTAINS).all()
    assert (found.radius == 0).all()
    # At alpha .2 the bound of a class that comes in 60 % of the draws is too high for about one image in five.
    model, images = plane(torch.full((300,), SIGMA * float(norm.ppf(0.6))))
    wrong = Smoothing(SIGMA, alpha=0.2)(model, images, generator=seeded()).radius > SIGMA * norm.ppf(0.6)
    assert 0.1 < wrong.mean() < 0.25


def test_the_largest_radius_is_clopper_and_pearsons_when_all_draws_agree() -> None:
    """The lower bound is then alpha ** (1 / n)."""
    for draws, alpha in ((1000, 0.001), (100, 0.05)):
        smoothing = Smoothing(SIGMA, draws=draws, alpha=alpha)
        assert smoothing.largest == pytest.approx(SIGMA * norm.ppf(alpha ** (1 / draws)))
        for count in (draws - 1, 7 * draws // 10):
            bound = beta.ppf(alpha, count, draws - count + 1)
            assert smoothing.radius(count) == pytest.approx(SIGMA * norm.ppf(bound))
    assert Smoothing(SIGMA).radius(500) == 0


def test_a_prediction_is_the_commonest_class_and_stops_where_that_is_clear() -> None:
    distances = torch.linspace(-0.4, 0.4, 16)
    model, images = plane(distances)
    asked = [0]
    model.register_forward_pre_hook(lambda _, given: asked.__setitem__(0, asked[0] + len(given[0])))
    assert Smoothing(SIGMA).predict(model, images, generator=seeded()).tolist() == (distances > 0).tolist()
    assert 16 * 64 <= asked[0] < 16 * 400


def test_the_generator_decides_and_the_model_stays_as_it_was() -> None:
    model, images = small_net(), dyadic_images(3)
    before, state = state_of(model), torch.get_rng_state()
    one, again, other = (Smoothing(0.5, draws=100)(model, images, generator=seeded(seed)).votes for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert_unchanged(model, before)


def test_the_expectation_of_a_noisy_linear_model_is_the_normal_distribution() -> None:
    """A steep logistic model's mean probability over the noise is nearly Phi(distance / sigma)."""
    distances = torch.tensor([-0.2, 0.0, 0.2])
    model, images = plane(distances)
    steep = nn.Sequential(model, nn.Linear(2, 2, bias=False))
    nn.init.eye_(steep[1].weight).data.mul_(1000)  # type: ignore[operator]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mean = Averaged(Noisy(steep, SIGMA), draws=400)(images).exp()[:, 1]
    np.testing.assert_allclose(mean, norm.cdf(distances / SIGMA), atol=0.08)


def test_training_noise_has_its_sigma_on_every_pixel() -> None:
    images = torch.full((40, 1, 16, 16), 0.5)
    augment = Spec.of("mri_robust.defences.smoothing:GaussianNoise", sigma=0.12).build()
    noise = augment(images, seeded()) - images
    assert float(noise.std()) == pytest.approx(0.12, rel=0.03)
    assert abs(float(noise.mean())) < 0.005
    assert noise.flatten().unique().numel() > 0.9 * noise.numel()


def test_a_model_whose_answer_hangs_on_the_batch_is_refused_in_one_line() -> None:
    pooled = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(64, 4)).eval()
    for model, what in ((small_net().train(), "model.eval"), (pooled, "running statistics")):
        for ask in (Smoothing(SIGMA), Smoothing(SIGMA).predict):
            with pytest.raises(UserError, match=what) as caught:
                ask(model, dyadic_images(2), generator=seeded())  # type: ignore[operator]
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"draws": 0}, {"selection": 0}, {"alpha": 0.0}, {"alpha": 0.6}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Smoothing(**{"sigma": SIGMA, **wrong})
    with pytest.raises(ValueError, match="sigma"):
        GaussianNoise(-1.0)
