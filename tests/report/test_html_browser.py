"""`report.html` in a browser without a network: Debian's `chromium`, driven by playwright."""

import shutil

import pytest
from html_run import fill, page_of
from report_folder import Folder

from mri_robust.report.drawing import decode

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a run made by hand."""
    patch = pytest.MonkeyPatch()
    path = page_of(fill(Folder(tmp_path_factory.mktemp("results"), patch)), warnings=["a warning"])
    yield f"file://{path}"
    patch.undo()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address):
    """The page, opened offline; whatever it asks for, says on the console or throws is an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, color_scheme="light")
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: request.url.startswith("data:") or asked.append(request.url))
    asked = []
    opened.goto(address)
    opened.locator(".gallery").wait_for()
    yield opened
    assert (asked, wrong) == ([address], [])
    context.close()


def canvas(page):
    """The pixels of the canvas, once it shows a change."""
    page.locator(".amplified", has_text="amplified").wait_for()
    address = page.locator(".change").evaluate("canvas => canvas.toDataURL()")
    return decode(address.partition(",")[2])


def test_the_slider_changes_images_bars_and_words(page):
    clean = page.locator("img.clean").get_attribute("src")
    assert page.locator("img.adversarial").get_attribute("src") == clean
    assert page.locator(".bars div").all_inner_texts() == ["glioma (true class)\n97.0 %", "notumor\n3.0 %"]
    assert "CNN_clean is right: glioma, 97.0 %" in page.locator(".called").inner_text()
    page.locator("#epsilon").focus()
    page.keyboard.press("End")
    assert page.locator("img.clean").get_attribute("src") == clean
    assert page.locator("img.adversarial").get_attribute("src") != clean
    assert page.locator(".bars div").all_inner_texts() == ["glioma (true class)\n25.0 %", "notumor\n75.0 %"]
    assert "ε = 2/255, CNN_clean is wrong: notumor, 75.0 %" in page.locator(".called").inner_text()
    assert page.locator("#epsilon").get_attribute("aria-valuetext") == "ε = 2/255"
    widths = page.eval_on_selector_all(".bars i", "bars => bars.map(bar => bar.style.getPropertyValue('--share'))")
    assert widths == ["25%", "75%"]


def test_the_change_is_amplified_to_its_greatest(page):
    page.locator("#epsilon").fill("2")
    # +2 has the full orange, -1 half of the blue over black, no change is black; 255 / 2 rounds to 128
    drawn = canvas(page)
    assert drawn[0, 0].tolist() == [255, 158, 64]
    assert drawn[1, 1].tolist() == pytest.approx([43, 91.5, 137.5], abs=0.6)
    assert drawn[3, 3].tolist() == [16, 18, 20]
    assert "amplified × 128" in page.locator(".amplified").inner_text()


def test_thumbnails_and_attacks_choose_what_is_shown(page):
    assert page.locator(".thumbs button").all_inner_texts() == ["glioma", "notumor"]
    page.locator(".thumbs button").nth(1).click()
    assert "notumor (true class)" in page.locator(".bars").inner_text()
    assert "onerror=alert" in page.locator(".file").inner_text()
    page.locator(".choices button", has_text="PGD, paper").click()
    assert page.locator(".bars div").count() == 1
    assert "kept the predicted class alone" in page.locator(".file").inner_text()


def test_tables_sort_by_number_either_way_and_say_so(page):
    section = page.locator("#backdoor")
    head = section.locator("th", has_text="study").first
    values = section.locator("tbody").first.locator("td:nth-child(2)")
    assert (head.get_attribute("aria-sort"), values.all_inner_texts()) == ("none", ["0.40", "0.60"])
    head.locator("button").press("Enter")
    assert (head.get_attribute("aria-sort"), values.all_inner_texts()) == ("ascending", ["0.40", "0.60"])
    head.locator("button").press("Enter")
    assert (head.get_attribute("aria-sort"), values.all_inner_texts()) == ("descending", ["0.60", "0.40"])
    # one class has no number under `paper`: it stays last either way
    paper = section.locator("th", has_text="sound − paper").first
    for _ in range(2):
        paper.locator("button").click()
        assert section.locator("tbody").first.locator("td:last-child").all_inner_texts()[-1] == "–"
    assert head.get_attribute("aria-sort") == "none"


def test_numbers_are_not_sorted_as_words(page):
    table = page.locator("#pgd .protocol table").first
    head = table.locator("th").first
    head.locator("button").click()
    names = table.locator("tbody th").all_inner_texts()
    assert names == ["clean", "0.01", "1/255 worst", "2/255 worst", "4/255 worst"]
    table.locator("thead button", has_text="CNN_PGD").click()
    values = [text.split()[0] for text in table.locator("tbody td:last-child").all_inner_texts()]
    assert values == ["0.600", "0.750", "0.800", "0.800", "0.850"]  # letter by letter, 0.75 would follow 0.8


def test_the_legend_takes_a_line_away_and_gives_it_back(page):
    chart = page.locator("#pgd .chart").first
    line = chart.locator("g[data-series='1'] .line")
    button = chart.locator(".legend button").nth(1)
    assert line.is_visible()
    button.click()
    assert (line.is_visible(), button.get_attribute("aria-pressed")) == (False, "false")
    assert chart.locator("g[data-series='0'] .line").is_visible()
    button.click()
    assert (line.is_visible(), button.get_attribute("aria-pressed")) == (True, "true")


def test_values_show_under_the_pointer_and_under_the_keyboard(page):
    stops = page.locator("#pgd .chart").first.locator(".stop")
    assert not stops.nth(1).locator(".tip").is_visible()
    stops.nth(1).hover()
    assert stops.nth(1).locator(".tip").inner_text().split() == [
        *("ε", "=", "1/255", "CNN_PGD", "0.800", "[0.750,", "0.850]", "CNN_clean", "0.500", "[0.450,", "0.550]")
    ]
    stops.nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.mouse.move(0, 0)
    assert not stops.nth(1).locator(".tip").is_visible()
    assert stops.nth(2).locator(".tip").is_visible()
    assert "0.750 [0.700, 0.800]" in stops.nth(2).locator(".tip").inner_text()


def test_dark_colours_follow_the_system_and_the_button(page):
    def ground():
        red, green, blue = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
        )
        return max(red, green, blue)

    button = page.locator(".theme")
    assert ground() > 200
    page.emulate_media(color_scheme="dark")
    page.locator(".theme[aria-pressed=true]").wait_for()
    assert ground() < 60
    button.click()
    assert ground() > 200
    page.emulate_media(color_scheme="light")
    assert ground() > 200
    button.click()
    assert ground() < 60


@pytest.mark.parametrize("width", [375, 768, 1920])
def test_the_page_is_no_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    table = page.locator("#pgd .scroll").first
    table.evaluate("box => { box.scrollLeft = 200; }")
    left = table.evaluate("box => box.getBoundingClientRect().left")
    first = table.locator("tbody th").first.evaluate("cell => cell.getBoundingClientRect().left")
    assert first == pytest.approx(left + 1, abs=1)  # the first column stays in sight


def test_contents_fold_away_on_a_phone(page):
    page.set_viewport_size({"width": 375, "height": 800})
    contents = page.locator("nav")
    assert not contents.is_visible()
    page.locator(".menu").click()
    assert contents.is_visible()
    contents.locator("a", has_text="Provenance").click()
    assert not contents.is_visible()
    assert page.evaluate("location.hash") == "#provenance"


def test_it_prints_with_everything_unfolded(page, tmp_path):
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
