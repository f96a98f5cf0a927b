"""Parts found by folder and by entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mri_robust.attacks.registry import EVASION
from mri_robust.core.errors import UserError
from mri_robust.core.registry import Registry
from mri_robust.core.registry import Spec

GROUP = "mri_robust.attacks"


def fresh() -> Registry:
    return Registry("mri_robust.attacks.evasion", attribute="ATTACK", kind="attack", group=GROUP)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone else's installed distribution: an attack, one of a name that is taken, and one that is not there."""
    (tmp_path / "their_attacks.py").write_text(
        "class Noise:\n    def __init__(self, size=1):\n        self.size = size\n"
    )
    info = tmp_path / "their_attacks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-attacks\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", "noise = their_attacks:Noise", "fgsm = their_attacks:Noise", "odd = their_attacks:Absent"]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
def test_installed_packages_add_parts_and_replace_none() -> None:
    registry = fresh()
    assert registry.added() == registry.names()[-2:] == ["noise", "odd"]
    assert registry.names().count("fgsm") == 1
    assert "noise" in registry
    assert registry.load("noise").__module__ == "their_attacks"
    assert registry.load("fgsm").__module__ == "mri_robust.attacks.evasion.fgsm"
    assert Spec("noise", {"size": [1, 2]}).build(registry).size == (1, 2)


@pytest.mark.usefixtures("plugin")
def test_a_part_that_cannot_be_imported_is_named_with_its_package() -> None:
    message = r"attack 'odd' of the package 'their-attacks' cannot be imported: AttributeError.*uninstall it"
    with pytest.raises(UserError, match=message):
        fresh().load("odd")


def test_modules_are_parts_by_their_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "toy_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "slow_one.py").write_text("PART = 1")
    (package / "a.py").write_text("raise ImportError('listing imports nothing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("toy_parts", attribute="PART", kind="part")
    assert registry.names() == ["a", "slow-one"]
    assert registry.load("slow-one") == 1
    with pytest.raises(ImportError):
        registry.load("a")


@pytest.mark.parametrize(("typed", "meant"), [("fgms", "fgsm"), ("pdg", "pgd"), ("FGSM_", None)])
def test_an_unknown_name_offers_the_nearest(typed: str, meant: str | None) -> None:
    with pytest.raises(UserError) as caught:
        EVASION.load(typed)
    message = str(caught.value)
    assert f"unknown attack '{typed}'" in message
    assert ("did you mean" in message) == (meant is not None)
    assert meant is None or f"did you mean '{meant}'?" in message
    assert all(name in message for name in EVASION.names())
    assert typed not in EVASION


def test_listing_attacks_imports_no_torch() -> None:
    code = "import sys, mri_robust; from mri_robust.attacks.registry import EVASION; EVASION.names(); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_spec_builds_the_part_or_says_why_not() -> None:
    attack = Spec("pgd", {"eps": 0.1, "alpha": 0.02, "steps": 3, "bounds": [0.1, 0.9]}).build(EVASION)
    assert (attack.eps, attack.bounds) == (0.1, (0.1, 0.9))
    with pytest.raises(ValueError, match="steps"):
        Spec("pgd", {"eps": 0.1, "alpha": 0.02, "steps": 0}).build(EVASION)
    with pytest.raises(TypeError, match="epsilon"):
        Spec("fgsm", {"epsilon": 0.1}).build(EVASION)


def test_a_user_error_is_one_line() -> None:
    assert str(UserError("no\n  such   thing")) == "no such thing"
