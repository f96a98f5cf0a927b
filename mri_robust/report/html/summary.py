"""The page's summary: the verdicts that a decision needs."""

from __future__ import annotations

from typing import Any

from mri_robust.report.html.backdoor_verdicts import backdoor_verdicts
from mri_robust.report.html.detector_verdicts import pipeline_verdicts, snooping_verdicts
from mri_robust.report.html.evasion_verdicts import evasion_verdicts
from mri_robust.report.html.verdict import Verdict
from mri_robust.report.results import Results


def verdicts(results: Results) -> list[Verdict]:
    """One verdict a question that the run can answer, the cross-check's last."""
    return [
        *evasion_verdicts(results),
        *backdoor_verdicts(results),
        *snooping_verdicts(results),
        *pipeline_verdicts(results),
        _certified(results.certificate),
    ]


def _certified(certificate: dict[str, Any]) -> Verdict:
    passed = bool(certificate.get("passed", True))
    verdict = str(certificate["verdict"])
    consequence = (
        "the attacks compute what ART and torchattacks compute, which says nothing of whether the models are safe"
        if passed
        else "do not rely on what these attacks measured"
    )
    return Verdict(
        "What the cross-check certifies",
        f"{verdict[:1].upper()}{verdict[1:]}: {consequence}.",
        "certificate",
        "certificate",
        failed=not passed,
    )
