"""Parts found by folder and by entry point."""

import subprocess
import sys
from pathlib import Path

import pytest

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.core.errors import UserError
from mri_robust.core.registry import Registry, Spec

GROUP = "toy.parts"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A folder of parts, and another package's distribution: a part, one of a name that is taken, two that fail."""
    package = tmp_path / "toy_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "slow_one.py").write_text("PART: int = 1")
    (package / "a.py").write_text("PART = 1\nraise ImportError('listing imports nothing')")
    (package / "helper.py").write_text("def use(PART):\n    return PART == 1")
    (tmp_path / "their_parts.py").write_text("class Noise:\n    pass\n")
    info = tmp_path / "their_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-parts\nVersion: 1.0\n")
    points = {
        "noise": "their_parts:Noise",
        "slow-one": "their_parts:Noise",
        "odd": "their_parts:Absent",
        "gone": "nowhere:X",
    }
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *(f"{k} = {v}" for k, v in points.items())]))
    monkeypatch.syspath_prepend(str(tmp_path))
    return Registry("toy_parts", attribute="PART", kind="part", group=GROUP)


def test_files_that_define_the_attribute_are_parts_and_other_packages_add_but_replace_none(registry: Registry) -> None:
    assert registry.names() == ["a", "slow-one", "gone", "noise", "odd"]
    assert registry.added() == ["gone", "noise", "odd"]
    assert all(name in registry for name in registry.names())
    assert "helper" not in registry
    assert registry.load("slow-one") == 1
    assert registry.load("noise").__module__ == "their_parts"
    with pytest.raises(ImportError):
        registry.load("a")
    for name in ("odd", "gone"):
        with pytest.raises(UserError, match=f"'{name}'.*'their-parts'"):
            registry.load(name)


@pytest.mark.parametrize(("typed", "meant"), [("fgms", "fgsm"), ("pdg", "pgd"), ("FGSM_", None)])
def test_an_unknown_name_offers_the_nearest(typed: str, meant: str | None) -> None:
    with pytest.raises(UserError) as caught:
        ATTACKS.load(typed)
    message = str(caught.value)
    assert ("did you mean" in message) == (meant is not None)
    assert meant is None or f"'{meant}'?" in message
    assert all(name in message for name in [typed, *ATTACKS.names()])
    assert typed not in ATTACKS


def test_listing_attacks_imports_no_torch() -> None:
    code = (
        "import sys; from mri_robust.attacks.evasion import ATTACKS; ATTACKS.names(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_spec_is_plain_data_that_builds_the_part_or_says_why_not() -> None:
    path = "mri_robust.attacks.evasion.pgd:PGD"
    spec = Spec.of(path, eps=0.1, steps=3, bounds=(0.1, 0.9))
    assert spec == Spec(path, (("eps", 0.1), ("steps", 3), ("bounds", (0.1, 0.9))))
    assert hash(spec) == hash(Spec.of(path, **spec.parameters))
    attack = spec.build()
    assert (attack.eps, attack.steps, attack.bounds) == (0.1, 3, (0.1, 0.9))
    assert Spec.of(path, steps=3).build(0.2).eps == 0.2
    for wrong, error in ((Spec.of(path, eps=0.1, steps=0), ValueError), (Spec.of(path, epsilon=0.1), TypeError)):
        with pytest.raises(error, match=r"steps|epsilon"):
            wrong.build()
