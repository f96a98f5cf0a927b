"""What `report.html` and `report.md` hold, and that nothing of a run can get out of its place; without a browser."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from a_run import BACKDOOR, BREAKING, CLEAN, FINDINGS, NASTY, PGD, backdoor_rows, fill, png, row
from PIL import Image

from mri_robust.core.errors import UserError
from mri_robust.report.contact_sheet import opened
from mri_robust.report.content import Report
from mri_robust.report.page import galleries, inline_svg, render, report_markdown, smaller, weighted, write_report
from mri_robust.report.summary import verdicts


class Page(HTMLParser):
    """Every element of a page with its attributes, the text between them, and the tables, as a browser finds them."""

    def __init__(self, text):
        super().__init__()
        self.found, self.words, self.tables, self.hidden, self.inside = [], [], {}, False, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found.append((tag, attributes))
        self.hidden = tag in ("script", "style")
        if attributes.get("role") == "region":
            self.lines = self.tables[attributes["aria-label"]] = []
        elif tag == "tr":
            self.lines.append([])
        elif tag in ("th", "td"):
            self.lines[-1].append([])
            self.inside = True

    def handle_endtag(self, tag):
        self.hidden = False
        self.inside = self.inside and tag not in ("th", "td")

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)
        if self.inside and data.strip():
            self.lines[-1][-1].append(data.strip())

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(folder):
    report = Report(folder.path)
    return render(report, {section.name: [] for section in report.sections})


def markdown_of(folder):
    report = Report(folder.path)
    return report_markdown(report, {section.name: [] for section in report.sections})


@pytest.fixture
def text(folder):
    return page_of(folder)


def test_the_tables_of_the_page_hold_the_numbers_with_interval_and_study(text):
    tables = Page(text).tables
    assert tables["Accuracy"][0] == [["attack"], ["protocol"], ["CNN_clean"], ["CNN_PGD"]]
    assert tables["Accuracy"][1][2] == ["0.900", "[0.850, 0.950]"]
    assert tables["Accuracy"][3][2][:2] == ["0.700", "[0.650, 0.750]"]
    assert tables["Accuracy"][3][2][2].endswith("0.31")
    beside = next(lines for caption, lines in tables.items() if "CNN_backdoor, test clean" in caption)
    assert [field[0] for field in beside[2][-5:]] == ["0.40", "0.375", "−0.025", "0.500", "+0.125"]


def test_how_close_to_the_study_is_counted(text):
    table = Page(text).tables["Distance to the study's numbers"]
    lines = {line[0][0]: [field[0] for field in line[2:]] for line in table[1:]}
    # pgd: |.3 - .31| and |.4 - .31|; backdoor: |.3 - .37| and |.375 - .4|; the detector cannot be compared
    assert lines["Title of pgd"] == ["2", "2", "0.050", "0.090"]
    assert lines["Title of backdoor"] == ["2", "2", "0.048", "0.070"]
    assert lines["Title of snooping"] == ["1", "0", "–", "–"]
    assert "Title of pipeline" not in lines


def test_names_from_the_run_are_text_and_nothing_else(tmp_path):
    run = {"command": f"mri-robust bench --data '{NASTY}'", "warnings": [f"{NASTY} {BREAKING}"], "failed": [NASTY]}
    run["data"] = {"grey": {"name": NASTY, "digest": "0", "train": 8, "test": 8, "leaked": 0}}
    text = page_of(fill(tmp_path, **run))
    page = Page(text)
    assert not [value for _, attributes in page.found for value in attributes if value.startswith("on")]
    assert all(attributes.get("src", "data:").startswith("data:") for _, attributes in page.found)
    assert [tag for tag, _ in page.found].count("script") == 2
    assert NASTY not in text
    assert page.text.count(NASTY) >= 6  # data, command, warning, failure, class, finding


def test_nothing_is_fetched_and_no_other_script_may_run(text):
    values = [value or "" for _, attributes in Page(text).found for value in attributes.values()]
    assert not [value for value in values if value.startswith("http")]
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    script = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text


def test_every_link_leads_to_a_place_on_the_page(text):
    found = Page(text).found
    places = {attributes.get("id") for _, attributes in found}
    links = {attributes["href"][1:] for tag, attributes in found if tag == "a"}
    for name in ("pgd", "backdoor", "snooping", "closeness", "sanity", "threats", "certificate", "gallery"):
        assert name in links
    assert links <= places


def test_data_for_the_script_are_escaped_and_whole(text):
    (data,) = re.findall(r'<script type="application/json" id="galleries">(.*?)</script>', text, re.DOTALL)
    assert not set("<>&\u2028\u2029") & set(data)
    [gallery] = json.loads(data)
    assert [image["name"] for image in gallery["images"]] == ["a.png", BREAKING + NASTY]
    assert gallery["images"][0]["pictures"][2]["probabilities"] == [["glioma", 0.25], ["notumor", 0.75]]
    assert [each["epsilon"] for each in gallery["images"][0]["pictures"]] == ["clean", "1/255", "2/255"]
    assert [each["tick"] for each in gallery["images"][0]["pictures"]] == ["clean", "1", "2"]
    assert (gallery["unit"], gallery["usual"]) == ("/255", 2)  # 2/255 is nearest to 4/255


def test_a_gallery_in_l2_tells_its_norm(folder):
    [evaluation] = [each for each in folder.json("run")["evaluations"] if each["experiment"] == "pgd"]
    stored = folder.get(evaluation["digest"])
    for strip in stored["artefacts"]["gallery"]:
        for size, cell in zip((0.0, 0.25, 4.0), strip["cells"], strict=True):
            cell |= {"norm": "l2", "epsilon": size}
    folder.put(evaluation["digest"], stored, {})
    [gallery] = galleries(Report(folder.path))
    shown = [(each["epsilon"], each["tick"]) for each in gallery["images"][0]["pictures"]]
    assert shown == [("clean", "clean"), ("0.25 (L2)", "0.25"), ("4 (L2)", "4")]
    assert (gallery["unit"], gallery["usual"]) == ("L2", 1)


def test_sanity_checks_stand_one_row_per_check_and_one_column_per_model(folder):
    def table(**run):
        folder.write_json("run", {**folder.json("run"), **run})
        return Report(folder.path).sanity

    found = table()
    assert [[cell.text for cell in row[1:]] for row in found.rows] == [["WARNING", "passed"], ["", "passed"]]
    assert NASTY in found.note
    assert table(findings=[]) is None
    several = [{**each, "seed": seed} for seed in (1, 2) for each in FINDINGS]
    assert len(table(findings=several, seeds=[1, 2]).heads) == 5


def test_own_models_have_a_page_that_claims_nothing_of_what_was_not_run(tmp_path):
    rows = {PGD: [row("accuracy", 0.5, experiment="pgd", model=NASTY, epsilon=0.0)]}
    about = {"protocols": ["sound"], "own_models": [NASTY], "findings": [], "notes": [f"note {NASTY}"]}
    about["data"] = {"grey": {"name": "scans", "digest": "0", "train": 8, "test": 8, "leaked": 0}}
    folder = fill(tmp_path, rows, **about, not_run=["sanity checks", "cross-check"])
    (tmp_path / "crosscheck.json").unlink()
    page, text = Page(page_of(folder)), markdown_of(folder)
    places = {attributes.get(name, "").strip("#") for _, attributes in page.found for name in ("id", "href")}
    assert not {"closeness", "sanity", "certificate"} & places
    assert "leaky-split" not in page.text + text
    assert verdicts(Report(tmp_path)) == []
    assert all("sanity checks, cross-check" in each for each in (page.text, text))
    assert "## Cross-check" not in text
    assert f"note {NASTY}" in page.text
    told, study = (
        {head for head, _ in each.provenance} for each in (Report(tmp_path), Report(fill(tmp_path / "study").path))
    )
    assert study - told == {"First weights", "Scale quick cuts"}


@pytest.mark.parametrize("name", ["phantom", "brain-tumor-mri"])
def test_facts_of_the_studys_images_are_told_of_no_phantom(name, tmp_path):
    folder = fill(tmp_path, data={"grey": {"name": name, "digest": "0", "train": 8, "test": 8, "leaked": 0}})
    text = page_of(folder) + markdown_of(folder)
    assert text.count("216 test images") == (0 if name == "phantom" else 8)


@pytest.mark.parametrize("passed", [True, False])
def test_a_failed_cross_check_stands_out(passed, folder):
    folder.write_json("crosscheck", {**folder.json("crosscheck"), "passed": passed})
    classes = [attributes.get("class", "") for _, attributes in Page(page_of(folder)).found]
    assert sum("failed" in each.split() for each in classes) == (not passed)


def test_sentences_of_the_summary_are_escaped_before_their_numbers_are_set_off():
    sentence = f"{NASTY} 5.0 % [4.0, 6.0]"
    page = Page(str(weighted(sentence)))
    assert page.text.replace(" ", "") == sentence.replace(" ", "")
    assert [tag for tag, _ in page.found] == ["b", "span"]


def test_large_pictures_lose_pixels_but_keep_their_values():
    clean = np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)
    changed = clean + (np.arange(300) % 2).astype(np.uint8)
    one, other = (np.asarray(opened(smaller(png(pixels)))).astype(int) for pixels in (clean, changed))
    assert one.shape == (100, 100, 3)
    np.testing.assert_array_equal(one[:, :, 0], clean[1::3, 1::3])
    assert set(np.unique(other - one)) == {0, 1}
    assert smaller(png(CLEAN)) == png(CLEAN)


def test_ids_of_a_drawing_stay_only_where_something_refers_to_them():
    drawing = '<svg xmlns="http://a"><metadata>b</metadata><g id="x"><path id="p1"/><use href="#p1"/></g></svg>'
    assert str(inline_svg("<?xml?>" + drawing)) == '<svg><g><path id="p1"/><use href="#p1"/></g></svg>'


def test_both_reports_and_figures_are_written_and_the_same_twice(folder):
    assert write_report(folder.path) == folder.path / "report.html"
    files = [folder.path / "report.html", folder.path / "report.md", *sorted((folder.path / "figures").iterdir())]
    first = [path.read_bytes() for path in files]
    write_report(folder.path)
    assert [path.read_bytes() for path in files] == first
    page, markdown = (path.read_text(encoding="utf-8") for path in files[:2])
    found = Page(page).found
    assert [tag for tag, _ in found].count("svg") == len([path for path in files if path.suffix == ".svg"]) > 2
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    classes = [attributes.get("class", "").split() for tag, attributes in found if tag == "figure"]
    wide = ["wide" in each for each in classes if "picture" in each]
    widths = [float(attributes["width"].removesuffix("pt")) for tag, attributes in found if tag == "svg"]
    assert wide == [width > 450 for width in widths]
    assert set(wide) == {True, False}
    assert NASTY not in page + markdown
    for target in re.findall(r"\]\((figures/[^)]+)\)", markdown):
        assert Image.open(folder.path / target).size > (1, 1)
    assert "0.700 [0.650, 0.750] · 0.31" in markdown


DAMAGED = {"run.json": ["{", "[]", "\udcff"], "crosscheck.json": ["", "null"], "comparisons.csv": [""]}
DAMAGED["backdoor.csv"] = ["", '"open', "experiment,value\nbackdoor,half\n"]


@pytest.mark.parametrize(("name", "content"), [(name, each) for name in DAMAGED for each in (None, *DAMAGED[name])])
def test_a_damaged_file_is_named(name, content, folder):
    path = folder.path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=name):
        Report(folder.path)


def test_a_damaged_evaluation_only_leaves_its_pictures_out(folder):
    for path in folder.evaluations.iterdir():
        path.write_text(path.read_text().replace("0.97", "0.98"))
    assert {"Accuracy", "By class, CNN_backdoor, test clean"} <= set(Page(page_of(folder)).tables)
    assert 'id="gallery"' not in page_of(folder)


def test_the_command_renders_again_without_torch(tmp_path):
    fill(tmp_path, {BACKDOOR: backdoor_rows()})
    code = (
        "import sys; from mri_robust.cli import main\n"
        f"main(['report', {str(tmp_path)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'torchvision', 'art', 'torchattacks'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert str(tmp_path / "report.html") in done.stdout
