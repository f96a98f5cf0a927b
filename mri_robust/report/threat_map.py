"""The threat map: one line per threat, in the words of law, regulators and the field, with the figure measured."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mri_robust.report.content import Section
from mri_robust.report.experiment import Record, measured_cell, numbers_of, with_factors
from mri_robust.report.metrics import column_heading, metric, model_title
from mri_robust.report.tables import Cell, Table, table_of
from mri_robust.study.epsilon import usual
from mri_robust.study.threats import FDA, NIST, SOURCES, THREATS

NOT_TESTED = "not tested"
HOW = (
    "Of the rows that tell of an attack the one of most harm stands here, of detectors of poison and of repairs the "
    "best. A number says what was measured, not that a requirement is met."
)


def threat_map(sections: Sequence[Section], model: str | None = None) -> Table:
    """One line per threat that an experiment tests, of one model or of all, and one per risk of the FDA's that none
    does. A threat whose figures were not measured is not tested either."""
    lines = [_line(threat, found, sections) for threat, found in threats_of(sections, model)]
    lines += [_untested(risk) for risk in untested_risks(sections, model)]
    return table_of("Threats, and what was measured", lines, 5, HOW)


def threats_of(sections: Sequence[Section], model: str | None = None) -> list[tuple[dict[str, Any], list[Record]]]:
    """(threat, its figures) of each that an experiment tests; no figures where none was measured."""
    asked = {threat["name"]: threat for section in sections for threat in section.threats}
    return [(asked[name], figures(_testing(sections, name), asked[name], model)) for name in THREATS if name in asked]


def _testing(sections: Sequence[Section], name: str) -> list[Section]:
    return [each for each in sections if name in each.tests]


def figures(sections: Sequence[Section], threat: dict[str, Any], model: str | None = None) -> list[Record]:
    """The rows that a threat's figures show, with `section` and `place`; those after the first of the same model."""
    found: list[Record] = []
    for figure in threat["figures"]:
        fitting = [each for section in sections for each in _fitting(section, figure, model)]
        if figure["at_usual"] and fitting:
            largest = max(each["epsilon"] for each in fitting)
            fitting = [each for each in fitting if each["epsilon"] == largest]
        if fitting:
            found.append((min if figure["least"] else max)(fitting, key=lambda each: each["value"]))
            model = found[0]["model"]
    return found


def _fitting(section: Section, figure: dict[str, Any], model: str | None) -> list[Record]:
    """The numbers of an experiment that a figure is about, under protocol `sound` where that was run."""
    rows = section.rows
    if rows.empty:
        return []
    first = "sound" if "sound" in set(rows["protocol"]) else rows["protocol"].iloc[0]
    own = {"metric": (figure["metric"],), "subset": (figure["subset"],), "protocol": (first,)}
    if model is not None:
        own["model"] = (model,)
    rows = with_factors(rows, [*figure["where"], *figure["without"]])
    for column, texts in {**own, **figure["where"]}.items():
        rows = rows[rows[column].isin(texts)]
    for column, texts in figure["without"].items():
        rows = rows[~rows[column].isin(texts)]
    if figure["at_usual"]:
        size = pd.to_numeric(rows["epsilon"], errors="coerce")
        rows, size = rows[size > 0], size[size > 0]
        within = size <= rows["norm"].map(usual) + 1e-9
        rows = rows[size == (size[within].max() if within.any() else size.min())]
    return [{**each, "section": section} for each in numbers_of(section.description, rows)] if len(rows) else []


def figure_cell(found: Sequence[Record], *, models: bool) -> Cell:
    """`accuracy 0.031 [0.009, 0.107]` over what it is of; with the model's name where there are several."""
    if not found:
        return Cell(NOT_TESTED)
    said = [f"{column_heading(each['metric'], each['subset'])} {number_cell(each).line()}" for each in found]
    of = [model_title(found[0]["model"])] if models else []
    places = dict.fromkeys(each["place"] for each in found)
    return Cell("; ".join(said), ", ".join(filter(None, [*of, *places])))


def number_cell(record: Record) -> Cell:
    """A number as the tables print it."""
    return measured_cell(record, metric(record["metric"]).digits)


def _line(threat: dict[str, Any], found: list[Record], sections: Sequence[Section]) -> dict[str, Cell]:
    section = found[0]["section"] if found else _testing(sections, threat["name"])[0]
    role = "defence" if threat["defence"] else "attack"
    nist = f"(NIST {NIST[threat['nist']]}, {threat['nist']})" if threat["nist"] else ""
    return {
        "what is done": Cell(threat["attacker"], f"({role}, {section.name})", link=section.name),
        "measured": figure_cell(found, models=section.rows["model"].nunique() > 1),
        "FDA": Cell(", ".join(threat["fda"]) or "–"),
        "AI Act (NIST)": Cell(threat["ai_act"], nist),
        "ATLAS (CR515)": Cell(", ".join(threat["atlas"]) or "–", f"({threat['cr515']})"),
    }


def _untested(risk: str) -> dict[str, Cell]:
    return {"what is done": Cell(FDA[risk]), "measured": Cell(NOT_TESTED), "FDA": Cell(risk)}


def untested_risks(sections: Sequence[Section], model: str | None = None) -> list[str]:
    """The FDA's risks that no experiment measured."""
    met = {risk for threat, found in threats_of(sections, model) if found for risk in threat["fda"]}
    return [risk for risk in FDA if risk not in met]


def untested(sections: Sequence[Section], model: str | None = None) -> list[tuple[str, str]]:
    """(source, what of it no experiment measured), without the FDA's, which stand in the map."""
    measured = [threat for threat, found in threats_of(sections, model) if found]
    left = []
    for key, (short, words, _) in SOURCES.items():
        met = {word for each in measured for word in ([each[key]] if isinstance(each[key], str) else each[key])}
        texts = [f"{name} ({said})" if said else name for name, said in words.items() if name not in met]
        left += [(short, "; ".join(texts))] if texts and key != "fda" else []
    return left


def sources() -> list[tuple[str, str]]:
    """(short name of a source, where its words stand)."""
    return [(short, where) for short, _, where in SOURCES.values()]
