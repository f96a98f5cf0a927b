"""Which experiment tests what the law and the field's taxonomy name, and what none tests."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.report.results import Results
from mri_robust.study.experiment import Experiment
from mri_robust.study.threat import AI_ACT, NIST, THREATS, Threat


@dataclass(frozen=True)
class Coverage:
    """A line of the map: an experiment and one threat that it tests, with that threat's section in NIST's report."""

    experiment: Experiment
    threat: Threat
    section: str


def threat_map(results: Results) -> list[Coverage]:
    """A line for each experiment of the run and each of its threats."""
    return [
        Coverage(experiment, THREATS[name], NIST[THREATS[name].nist])
        for experiment in results.experiments
        for name in experiment.threats
    ]


def untested(lines: list[Coverage]) -> dict[str, str]:
    """The attack types of Article 15(5) that no experiment of the run tests, and what they are."""
    tested = {line.threat.ai_act for line in lines}
    return {name: meaning for name, meaning in AI_ACT.items() if name not in tested}


def untested_categories(lines: list[Coverage]) -> dict[str, str]:
    """The categories of NIST AI 100-2 that no experiment of the run tests, and their sections."""
    tested = {line.threat.nist for line in lines}
    return {name: section for name, section in NIST.items() if name not in tested}
