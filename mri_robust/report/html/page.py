"""Put the page together: sections as data, templates, and the one style sheet and script that are inlined."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mri_robust.core.files import write_text
from mri_robust.report.html.gallery import galleries
from mri_robust.report.html.part import experiment_part
from mri_robust.report.html.provenance import certificate_table, closeness_table, provenance
from mri_robust.report.html.sanity import sanity_table
from mri_robust.report.html.summary import verdicts
from mri_robust.report.html.threat_map import threat_map, untested, untested_categories
from mri_robust.report.results import Results, open_results


def write_page(folder: Path) -> Path:
    """Write `report.html` from what a bench left in `folder`; returns its path.

    Raises:
        UserError: the folder holds no finished run.
    """
    path = folder / "report.html"
    write_text(path, render_page(open_results(folder)))
    return path


def render_page(results: Results) -> str:
    """The page. Everything that comes from the run is escaped, also inside the data of the script."""
    script = _asset("page.js")
    lines, parts = threat_map(results), [experiment_part(results, each) for each in results.experiments]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            run=results.run,
            data=next(iter(results.run["data"].values())),
            verdicts=verdicts(results),
            closeness=closeness_table(parts) if "paper" in results.run["protocols"] else None,
            parts=parts,
            galleries=galleries(results),
            sanity=sanity_table(results),
            threats=lines,
            untested=untested(lines),
            untested_categories=untested_categories(lines),
            certificate=results.certificate,
            certificate_table=certificate_table(results.certificate),
            provenance=provenance(results.run),
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_digest=_digest(script),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mri_robust.report.html"),
        autoescape=True,  # by name it would not know `.html.j2`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["weighted"] = weighted
    return environment


def weighted(sentence: str) -> Markup:
    """A sentence, escaped, with its percentages in bold and their intervals in small type."""
    text = re.sub(r"\d+\.\d\s%", r"<b>\g<0></b>", str(escape(sentence)))
    return Markup(re.sub(r"\[[\d., ]+\]", r'<span class="bounds">\g<0></span>', text))


def _asset(name: str) -> str:
    return files("mri_robust.report.html").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Names the script to the browser, so that it runs no other, wherever it came from."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
