"""The network, edits and losses on a CPU with few pictures; skipped without PyTorch."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch, vecsim does not")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def weights(training_folder: Path) -> Path:
    return training_folder / "weights/bundled-3.npz"


def test_folding_gives_back_the_weights(weights: Path) -> None:
    from network import Student, load_arrays

    arrays = load_arrays(weights)
    student = Student(arrays)
    student.calibrate(torch.rand(2, 3, 160, 160) * 2 - 1)
    for name, array in student.fold().items():
        assert np.abs(array - arrays[name].astype(np.float32)).max() < 1e-4, name


def test_quantised_network_is_near_the_float_one(weights: Path) -> None:
    from network import Student, load_arrays

    student = Student(load_arrays(weights))
    blocks = torch.rand(4, 3, 10, 10) * 2 - 1
    pictures = torch.nn.functional.interpolate(blocks, (160, 160), mode="bicubic").clamp(-1, 1)
    student.calibrate(pictures)
    student.eval()
    with torch.no_grad():
        cosines = torch.nn.functional.cosine_similarity(student(pictures), student(pictures, True))
    assert cosines.min() > 0.9


def test_requantising_rounds_forward_and_passes_gradients_inside_the_range() -> None:
    from network import Requantise

    y = torch.tensor([-3.0, 0.4, 10.2, 300.0]).view(1, 1, 2, 2).requires_grad_()
    scale, offset = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.5, requires_grad=True)
    steps = Requantise.apply(y, scale, offset)
    assert steps.flatten().tolist() == [0, 1, 11, 255]
    steps.sum().backward()
    assert y.grad is not None and y.grad.flatten().tolist() == [0, 1, 1, 0]
    assert offset.grad is not None and offset.grad.item() == 2


def test_every_edit_gives_pictures_of_the_same_shape() -> None:
    from edits import SIDE, Edits
    from recipes import KINDS

    edits = Edits(torch.device("cpu"), overlays=4, page_count=2)
    pictures = torch.randint(0, 256, (8, 192, 192, 3), dtype=torch.uint8)
    aspects = torch.linspace(0.5, 2.0, 8)
    clean = edits.clean(pictures)
    for kind in KINDS:
        views = edits.views(pictures, aspects, (({kind: 1.0}, 1.0),))
        assert views.shape == (8, 3, SIDE, SIDE)
        assert bool(torch.isfinite(views).all()) and views.min() >= 0 and views.max() <= 1
        assert not torch.allclose(views, clean, atol=0.02), kind


def test_losses_are_numbers_and_have_gradients() -> None:
    from losses import WEIGHTS, Memory, losses
    from torch.nn.functional import normalize

    embeddings = torch.randn(16, 32, requires_grad=True)
    unit, vectors = normalize(embeddings, dim=1), normalize(torch.randn(8, 64), dim=1)
    memory = Memory(32, 32, 64, torch.device("cpu"))
    memory.add(normalize(torch.randn(20, 32), dim=1), normalize(torch.randn(20, 64), dim=1))
    lifted = normalize(torch.randn(16, 64), dim=1)
    parts = losses(unit[:8], unit[8:], lifted, vectors, memory)
    assert len(parts) == len(WEIGHTS)
    parts.sum().backward()
    assert embeddings.grad is not None and bool(torch.isfinite(embeddings.grad).all())


def test_rounding_with_feedback_changes_the_output_less_than_rounding_to_nearest() -> None:
    from quantise import round_with_feedback

    torch.manual_seed(1)
    shared = torch.randn(1, 2000, 1) * 3 + 2  # neighbouring pixels are nearly equal
    rows = (shared + 0.05 * torch.randn(1, 2000, 9)).double()
    weight = torch.randn(1, 16, 9).double()
    weight -= weight.mean(2, keepdim=True)
    step = weight.abs().amax(2, keepdim=True) / 127
    nearest = (weight / step).round() * step
    rounded = round_with_feedback(weight, rows.transpose(1, 2) @ rows / 2000)
    levels = rounded / step
    assert torch.allclose(levels, levels.round(), atol=1e-6) and levels.abs().max() <= 127
    errors = [((weight - w) @ rows.transpose(1, 2)).square().mean() for w in (rounded, nearest)]
    assert errors[0] < errors[1] / 4
