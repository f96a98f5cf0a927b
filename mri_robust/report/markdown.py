"""`report.md`: the same parts as the page, as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mri_robust.report.cells import Table
from mri_robust.report.content import Picture, Report, Section
from mri_robust.report.summary import verdicts


def report_markdown(report: Report, pictures: dict[str, list[Picture]]) -> str:
    """The report, with links to its pictures."""
    run, data, certificate = report.run, report.data, report.certificate
    parts = [
        "# Adversarial robustness report",
        f"Data {_escape(data['name'])} ({data['train']} training, {data['test']} test images), scale {run['scale']}, "
        f"protocols {', '.join(run['protocols'])}, seeds {', '.join(map(str, run['seeds']))}.",
        *(f"**Warning:** {_escape(warning)}." for warning in report.warnings),
        "## Summary",
        "\n".join(f"- {_escape(verdict.sentence)}" for verdict in verdicts(report)),
    ]
    if report.closeness:
        parts += ["## How close to the study", table_markdown(report.closeness)]
    for section in report.sections:
        parts += _section(section, pictures[section.name])
    parts += ["## Threat map", table_markdown(report.threats)]
    parts += [f"Not tested in this run of {source}: {left}." for source, left in report.untested]
    parts += ["## Sanity checks", table_markdown(report.sanity)] if report.sanity else []
    parts += ["## Cross-check", f"{certificate['verdict']}.", table_markdown(report.certified), "## Provenance"]
    parts.append("\n".join(f"- {name}: {_escape('; '.join(lines))}" for name, lines in report.provenance))
    return "\n\n".join(parts) + "\n"


def table_markdown(table: Table) -> str:
    """A table under its caption: `value [interval] · study`."""
    ruler = "|" + "".join("---|" if place < table.texts else "---:|" for place in range(len(table.heads)))
    lines = "\n".join([_row(table.heads), ruler, *(_row([cell.line() for cell in row]) for row in table.rows)])
    return f"**{_escape(table.caption)}**\n\n{lines}" + (f"\n\n{_escape(table.note)}" if table.note else "")


def _section(section: Section, pictures: list[Picture]) -> list[str]:
    faults = [f"- `{name}`: {meaning}" for name, meaning in section.faults.items()]
    told = ["What separates the protocols:\n\n" + "\n".join(faults)] if faults else []
    shown = [f"![{picture.caption}](figures/{picture.path.name}.png)" for picture in pictures]
    heading = f"## {_escape(section.title)} ({_escape(section.reference)})"
    return [heading, *map(table_markdown, section.tables), *map(_escape, section.notes), *shown, *told]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escape, cells)) + " |"


def _escape(text: str) -> str:
    """Any text in one line of Markdown, where it is nothing but text: no emphasis, link, image, code or HTML."""
    line = " ".join(text.split()).replace("\\", "&#92;").replace("<", "&lt;").replace("`", "'").replace("|", "\\|")
    return re.sub(r"([*!]|\](?=[(\[:])|\b_\B|\B_\b)", r"\\\1", line)
