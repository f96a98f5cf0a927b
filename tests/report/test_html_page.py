"""What `report.html` says, and that nothing of a run can get out of its place; without a browser."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from html_run import BREAKING, CLEAN, NASTY, backdoor_rows, evasion_rows, fill, gallery_image, old_gallery, page_of
from PIL import Image
from report_folder import cell, made, png, row

from mri_robust.core.errors import UserError
from mri_robust.report.drawing import decode
from mri_robust.report.figures.images import draw_images
from mri_robust.report.html.gallery import smaller
from mri_robust.report.html.page import weighted, write_page
from mri_robust.report.html.tables import difference
from mri_robust.report.results import open_results
from mri_robust.report.write import write_report
from mri_robust.study.experiment import all_experiments
from mri_robust.study.threat import AI_ACT, NIST, THREATS


class Elements(HTMLParser):
    """Every element of a page with its attributes, as a browser finds them, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.words = []
        self.hidden = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.words += [] if tag in ("a", "b", "i", "span") else [" "]
        self.hidden = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def render(folder, **run):
    return page_of(folder, **run).read_text(encoding="utf-8")


def words(folder, **run):
    return Elements(render(folder, **run)).text


def test_the_summary_answers_each_question_with_its_number_and_interval(folder):
    text = words(fill(folder))
    for sentence in (
        "CNN_clean is right on 90.0 % [85.0, 95.0] of clean images; under worst-case PGD that becomes "
        "50.0 % [45.0, 55.0] at ε = 1/255 and 10.0 % [5.0, 15.0] at ε = 4/255.",
        "CNN_PGD keeps most: it is right on 60.0 % [55.0, 65.0] of images at ε = 4/255",
        "CNN_clean calls 5.0 % of tumours healthy without an attack; under worst-case PGD that becomes "
        "25.0 % at ε = 1/255 and 45.0 % at ε = 4/255.",
        "CNN_backdoor calls 99.0 % [98.0, 100.0] of tumour images healthy, and is still right on "
        "80.0 % [75.0, 85.0] of clean images.",
        "it flags 70.0 % [60.0, 80.0] of images with a small pattern, 40.0 % of those with a trigger that it never "
        "saw, and 20.0 % [10.0, 30.0] of clean ones",
        "takes the attack success on CNN_backdoor from 99.0 % to 25.0 % [20.0, 30.0], while 30.0 % of clean images go "
        "to a doctor.",
    ):
        assert sentence in text


def test_under_both_protocols_it_says_what_the_faults_changed(folder):
    text = words(fill(folder))
    # CNN_clean's one row of the study: .7 soundly, .3 the study's way
    assert (
        "The study's faults move its own rows (1) 40.0 points down on average, most at ε 0.01, α 0.001, steps 5: "
        "30.0 % its way, 70.0 % soundly." in text
    )
    assert "finds 45.0 % caught with 35.0 % false alarms, the sound way 50.0 % with 10.0 %." in text


def test_the_strongest_attack_at_an_epsilon_is_the_one_told(folder):
    place = {"attack": "pgd-APGD", "epsilon": 4 / 255, "alpha": 1 / 255, "steps": 40, "condition": "worst-case;then"}
    stronger = row("accuracy", 0.03, experiment="pgd", protocol="sound", model="cnn_clean", **place)
    epsilon = {"layout": "epsilon", "headers": ("ε", "α", "steps"), "columns": ("cnn_clean",)}
    folder.add(made("pgd", **epsilon), [*evasion_rows(), stronger])
    assert "and 3.0 % at ε = 4/255." in words(folder)


def test_the_best_of_several_defences_is_named(folder):
    place = {"attack": "pgd", "epsilon": 4 / 255, "alpha": 1 / 255, "steps": 40}
    place["condition"] = "worst-case;restarts=5"
    other = row("accuracy", 0.4, experiment="pgd", protocol="sound", model="cnn_fgsm", **place)
    epsilon = {"layout": "epsilon", "headers": ("ε", "α", "steps"), "columns": ("cnn_clean", "cnn_fgsm")}
    folder.add(made("pgd", **epsilon), [*evasion_rows(), other])
    assert "CNN_PGD keeps most" in words(folder)


def test_questions_whose_experiment_was_not_run_are_left_out(folder):
    folder.add(made("backdoor", threats=("backdoor",)), backdoor_rows())
    text = words(folder)
    assert "of tumour images healthy" in text
    assert "under worst-case" not in text
    assert "At its own threshold" not in text
    assert "See the attack" not in text


def test_a_run_of_the_paper_protocol_alone_has_a_page(folder):
    folder.add(made(), [row("accuracy", 0.5, paper=0.4)])
    assert "This run answers none of the questions" in words(folder, protocols=["paper"])


def test_study_paper_and_sound_stand_side_by_side_with_their_differences(folder):
    page = render(fill(folder))
    page = page[page.index('<section id="backdoor"') :]
    line = next(line for line in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "onerror" in line)
    fields = [re.sub("<[^>]+>", " ", field).split() for field in re.findall(r"<t[hd] .*?</t[hd]>", line, re.DOTALL)]
    # the study's .40, ours .375 and .500
    assert [field[0] for field in fields[-5:]] == ["0.40", "0.375", "−0.025", "0.500", "+0.125"]


@pytest.mark.parametrize(
    ("value", "text", "depth"),
    [(0.004, "+0.004", 0), (0.02, "+0.020", 1), (-0.05, "−0.050", -2), (0.199, "+0.199", 3), (-1.0, "−1.000", -4)],
)
def test_a_differences_colour_deepens_with_its_size(value, text, depth):
    assert (difference(value).text, difference(value).depth) == (text, depth)


def test_names_from_the_run_are_text_and_nothing_else(folder):
    run = {
        "command": f"mri-robust bench --data '{NASTY}'",
        "warnings": [f"{NASTY} {BREAKING}"],
        "data": {"grey": {"name": NASTY, "digest": "0", "train": 8, "test": 8, "skipped": 0}},
    }
    page = render(fill(folder), **run)
    elements = Elements(page)
    assert not [value for _, attributes in elements.found for value in attributes if value.startswith("on")]
    assert all(attributes.get("src", "data:").startswith("data:") for _, attributes in elements.found)
    assert [tag for tag, _ in elements.found].count("script") == 2
    for place in (f"--data '{NASTY}'", f"Warning {NASTY}", f"Data {NASTY}", f"{NASTY}, grey", f"{NASTY} recall"):
        assert place in elements.text  # all of them are read
    assert NASTY not in page


def test_sentences_of_the_summary_are_escaped_before_their_numbers_are_set_off():
    assert weighted(f"{NASTY} 5.0 % [4.0, 6.0]") == (
        '&lt;img src=x onerror=alert(1)&gt; <b>5.0 %</b> <span class="bounds">[4.0, 6.0]</span>'
    )


def test_data_for_the_script_are_escaped_and_whole(folder):
    page = render(fill(folder))
    (data,) = re.findall(r'<script type="application/json" id="galleries">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&\u2028\u2029") & set(data)
    sound, paper = json.loads(data)
    assert [image["name"] for image in sound["images"]] == ["first.png", f"{BREAKING}{NASTY}.png"]
    assert sound["images"][0]["pictures"][2]["probabilities"] == [["glioma", 0.25], ["notumor", 0.75]]
    assert paper["images"][0]["pictures"][2]["probabilities"] == [["notumor", 0.75]]


def test_nothing_is_fetched_and_no_other_script_may_run(folder):
    page = render(fill(folder))
    assert "http" not in page.replace("http-equiv", "")
    assert "@import" not in page
    assert "url(" not in page
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert all(link == "data:," or link.startswith("#") for link in re.findall(r'href="([^"]*)"', page))


def test_every_link_leads_to_a_place_on_the_page(folder):
    elements = Elements(render(fill(folder)))
    places = {attributes.get("id") for _, attributes in elements.found}
    links = {attributes["href"][1:] for tag, attributes in elements.found if tag == "a"}
    assert {"pgd", "backdoor", "snooping", "pipeline", "certificate", "provenance", "gallery"} <= links
    assert links <= places


def test_curves_are_drawn_through_the_measured_points(folder):
    page = render(fill(folder))
    path = re.search(r'<path class="line" d="M([^"]+)"', page)[1]
    heights = [float(point.split()[1]) for point in path.split("L")]
    # of 1000 from the top: .9 .5 .3 .1; the study's row is no part of the worst case
    assert heights == pytest.approx([100, 500, 700, 900])
    assert 'aria-label="ε = 1/255: CNN_PGD 0.800 [0.750, 0.850]; CNN_clean 0.500 [0.450, 0.550];"' in page


def test_rows_at_one_epsilon_stand_at_one_place(folder):
    place = {"experiment": "pgd", "protocol": "sound", "model": "cnn_clean", "attack": "pgd", "epsilon": 4 / 255}
    rows = [row("accuracy", 0.2, condition=f"worst-case;restarts={count}", **place) for count in (1, 2, 3)]
    folder.add(made("pgd", layout="epsilon", headers=("ε", "α", "steps")), rows)
    assert render(folder).count('style="left:0.0%;width:0.0%;--at:50.0%"') == 2


def test_pairs_of_models_stand_under_their_protocol(folder):
    heads = "experiment,protocol,attack,condition,epsilon,model,other,difference,ci_low,ci_high,only_model,only_other"
    line = f"pgd,sound,pgd,worst-case,{4 / 255},cnn_pgd,cnn_clean,0.5,0.4,0.6,12,2,0.013"
    path = fill(folder).write()
    (path / "comparisons.csv").write_text(f"{heads},p_mcnemar\n{line}\n")
    page = write_page(path).read_text(encoding="utf-8")
    assert page.count("Pairs of models on the same images at 4/255</figcaption>") == 1
    text = Elements(page[page.index("Pairs of models") :]).text
    assert "pgd worst CNN_PGD CNN_clean +0.500 [+0.400, +0.600] 12 2 0.01" in text


def test_how_close_to_the_study_stands_in_a_table_and_in_words(folder):
    # backdoor: |.375 - .4| is the one number measured under paper; pgd: |.3 - .31| and |.4 - .31|
    text = words(fill(folder))
    assert "Title of backdoor section 0, Table 0 2 1 0.025 0.025" in text
    assert "Title of pgd section 0, Table 0 2 2 0.050 0.090" in text
    assert "mean distance 0.050 over 2 numbers, largest 0.090 (CNN_PGD, ε 0.01, α 0.001, steps 5, accuracy" in text


def test_figures_are_embedded_once_and_broken_ones_left_out(folder):
    fill(folder)
    drawn = folder.path / "figures"
    drawn.mkdir()
    Image.new("RGB", (40, 20), "white").save(drawn / "backdoor-sound-confusion.png")
    for drawn_otherwise in ("accuracy", "images"):
        Image.new("RGB", (40, 20), "white").save(drawn / f"pgd-sound-{drawn_otherwise}.png")
    (drawn / "snooping-sound-roc.png").write_bytes(b"no image")
    page = render(folder)
    assert re.findall(r'alt="([^"]+)" loading', page) == ["Confusion matrices, protocol sound"]
    assert 'width="40" height="20"' in page


def test_a_missing_cell_and_cells_of_other_kinds_leave_the_rest(folder):
    path = fill(folder).write()
    for stored in (path / "cells").iterdir():
        stored.unlink()
    page = write_page(path).read_text(encoding="utf-8")
    assert "See the attack" not in page
    assert "Accuracy over ε, protocol sound" in page


def test_a_gallery_of_the_old_shape_gives_the_same_figure(folder):
    epsilon = {"layout": "epsilon", "headers": ("ε",)}
    rows = [row("accuracy", 0.5, protocol=protocol, attack="none", epsilon=0.0) for protocol in ("sound", "paper")]
    new = cell({"images": [gallery_image(), gallery_image("notumor")]}, protocol="sound")
    folder.add(made(**epsilon), rows, [new, cell(old_gallery())])
    results = open_results(folder.write())
    figures = [draw_images(view) for view in results.views(results.experiments[0])]
    drawn = [[axes.images[0].get_array() for axes in figure.axes] for figure in figures]
    assert len(drawn[0]) == 6
    for one, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "glioma" in figures[0].get_suptitle()


def test_large_pictures_lose_pixels_but_keep_their_values():
    clean = np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)
    changed = clean + (np.arange(300) % 2).astype(np.uint8)
    one, other = decode(smaller(png(clean))).astype(int), decode(smaller(png(changed))).astype(int)
    assert one.shape == (100, 100, 3)
    np.testing.assert_array_equal(one[:, :, 0], clean[1::3, 1::3])
    assert set(np.unique(other - one)) == {0, 1}
    assert smaller(png(CLEAN)) == png(CLEAN)


def test_the_threat_map_names_what_is_tested_and_what_is_not(folder):
    text = words(fill(folder))
    tested = text[text.index("Threat map", text.index("Experiments of this run") - 400) :]
    assert "Title of pgd Attacker changes the pixels" in tested
    assert "Title of snooping Defence a detector flags" in tested
    missing = tested[tested.index("Not tested in this run") :]
    assert "confidentiality attacks" in missing
    assert "privacy (section 2.4)" in missing
    assert "data poisoning (" not in missing


def test_every_experiment_names_threats_that_exist():
    for experiment in all_experiments():
        assert experiment.threats, experiment.name
        for name in experiment.threats:
            assert THREATS[name].ai_act in AI_ACT
            assert THREATS[name].nist in NIST


def test_a_failed_cross_check_stands_out(folder):
    path = fill(folder).write()
    certificate = {"images": 4, "passed": False, "verdict": "cross-check FAILED: pgd", "comparisons": []}
    (path / "crosscheck.json").write_text(json.dumps(certificate))
    page = write_page(path).read_text(encoding="utf-8")
    assert re.search(r'class="verdict failed">\s*<h3>What the cross-check', page)


def test_both_reports_are_written_and_the_page_is_returned(folder):
    path = fill(folder).write()
    assert write_report(path) == path / "report.html"
    assert (path / "report.md").is_file()
    with pytest.raises(UserError, match="holds no finished bench run"):
        write_report(path / "figures")


def test_the_command_renders_again_without_torch(folder):
    folder.add(made("snooping-small"), [row("accuracy", 0.5, experiment="snooping-small", model="resnet18_snoop")])
    path = folder.write()
    code = (
        "import sys; from mri_robust.cli import main\n"
        f"main(['report', {str(path)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'torchvision', 'art', 'torchattacks'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"report: {path / 'report.html'}"
    assert "Snooping, trained on small patterns" in (path / "report.html").read_text(encoding="utf-8")


def test_sanity_checks_stand_a_line_a_check_and_say_what_tripped(folder):
    def findings(model, tripped):
        found = [
            {"check": "black-box", "tripped": tripped, "figure": 0.5, "message": f"search beats PGD {NASTY}"},
            {"check": "range", "tripped": False, "figure": 0.0, "message": "pixels run from 0 to 1"},
        ]
        return cell({"findings": found}, experiment="pgd", protocol="sound", model=model)

    shared = {"experiment": "pgd", "protocol": "sound", "model": "cnn_clean", "attack": "none", "epsilon": 0.0}
    made_up = made("pgd", layout="epsilon", headers=("ε",))
    folder.add(made_up, [row("accuracy", 0.5, **shared)], [findings("cnn_clean", True), findings("cnn_pgd", False)])
    text = words(folder)
    assert "1 of 4 checks tripped" in text
    assert re.search(r"black box\s+WARNING\s+passed\s+range\s+passed\s+passed", text)
    assert f"CNN_clean: search beats PGD {NASTY}." in text


def test_a_run_without_sanity_checks_has_no_section_of_them(folder):
    assert 'id="sanity"' not in render(fill(folder))
