"""`report.html` in a browser without a network: Debian's `chromium`, driven by playwright."""

import base64
import io
import shutil

import numpy as np
import pytest
from a_run import fill
from PIL import Image

from mri_robust.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a run made by hand."""
    return f"file://{write_report(fill(tmp_path_factory.mktemp('results'), warnings=['a warning']).path)}"


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
    opened, wrong, asked = context.new_page(), [], []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: request.url.startswith("data:") or asked.append(request.url))
    opened.goto(address)
    opened.locator(".gallery").wait_for()
    yield opened
    assert (asked, wrong) == ([address], [])
    context.close()


def test_the_slider_changes_images_bars_and_words(page):
    clean = page.locator("img.clean").get_attribute("src")
    assert page.locator("img.adversarial").get_attribute("src") == clean
    assert [each.split()[-2] for each in page.locator(".bars div").all_inner_texts()] == ["97.0", "3.0"]
    page.locator("#epsilon").focus()
    page.keyboard.press("End")
    assert page.locator("img.clean").get_attribute("src") == clean
    assert page.locator("img.adversarial").get_attribute("src") != clean
    assert "2/255" in page.locator("#epsilon").get_attribute("aria-valuetext")
    assert "/255" in page.locator(".slider label").inner_text()
    assert all(part in page.locator(".called").inner_text() for part in ("2/255", "CNN_clean", "notumor", "75.0"))
    widths = page.eval_on_selector_all(".bars i", "bars => bars.map(bar => bar.style.getPropertyValue('--share'))")
    assert widths == ["25%", "75%"]


def test_the_change_is_amplified_to_its_greatest(page):
    page.locator("#epsilon").fill("2")
    page.locator(".amplified", has_text="128").wait_for()  # 255 / 2, rounded
    drawn = page.locator(".change").evaluate("canvas => canvas.toDataURL()").partition(",")[2]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGB"))
    # +2 has the full orange, -1 half of the blue over black, no change is black
    assert pixels[0, 0].tolist() == [255, 158, 64]
    assert pixels[1, 1].tolist() == pytest.approx([43, 91.5, 137.5], abs=0.6)
    assert pixels[3, 3].tolist() == [16, 18, 20]


def test_a_thumbnail_chooses_the_image_and_its_hostile_name_is_text(page):
    assert page.locator(".thumbs button").all_inner_texts() == ["glioma", "notumor"]
    page.locator(".thumbs button").nth(1).click()
    assert "notumor" in page.locator(".bars div", has_text="true").inner_text()
    assert "onerror=alert" in page.locator(".file").inner_text()


def test_tables_sort_by_number_either_way_and_empty_fields_stay_last(page):
    table = page.locator("#backdoor table").first
    head, cells = table.locator("thead th", has_text="study").first, table.locator("tbody td:nth-child(3)")
    order = [("none", ["0.37", "0.40", "0.60"])]
    order += [("ascending", ["0.37", "0.40", "0.60"]), ("descending", ["0.60", "0.40", "0.37"])]
    for state, values in order:
        assert (head.get_attribute("aria-sort"), cells.all_inner_texts()) == (state, values)
        head.locator("button").press("Enter")
    last = table.locator("thead th").last
    for _ in range(2):
        last.locator("button").click()
        assert table.locator("tbody td:last-child").all_inner_texts()[-1] == "–"
    assert (head.get_attribute("aria-sort"), last.get_attribute("aria-sort")) == ("none", "descending")


def test_figures_open_in_full_size_and_contents_fold_away_on_a_phone(page):
    page.locator(".picture button").first.click()
    assert page.locator("dialog .pan svg").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.set_viewport_size({"width": 375, "height": 800})
    assert not page.locator("nav").is_visible()
    page.locator(".menu").click()
    page.locator("nav a[href='#provenance']").click()
    assert not page.locator("nav").is_visible()
    assert page.evaluate("location.hash") == "#provenance"


def test_dark_colours_follow_the_system_and_the_button(page):
    def ground():
        colour = "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)"
        return max(page.evaluate(colour))

    assert ground() > 200
    page.emulate_media(color_scheme="dark")
    page.locator(".theme[aria-pressed=true]").wait_for()
    assert ground() < 60
    page.locator(".theme").click()
    assert ground() > 200


@pytest.mark.parametrize("width", [375, 1920])
def test_the_page_is_no_wider_than_the_screen(width, page):
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    table = page.locator("#pgd .scroll").nth(1)
    table.evaluate("box => { box.scrollLeft = 200; }")
    left = table.evaluate("box => box.getBoundingClientRect().left")
    first = table.locator("tbody th").first.evaluate("cell => cell.getBoundingClientRect().left")
    assert first == pytest.approx(left + 1, abs=1)  # the first column stays in sight


def test_a_wide_figure_has_a_row_to_itself(page):
    widths = "all => all.map(each => each.getBoundingClientRect().width)"
    [row], [wide, narrow] = (page.eval_on_selector_all(f"#pgd {each}", widths) for each in (".pictures", ".picture"))
    assert wide == pytest.approx(row)
    assert narrow < row


def test_it_prints_with_everything_unfolded_and_the_gallery_at_the_size_nearest_to_4_255(page, tmp_path):
    """In place by the time that the event returns, for a printer does not wait; afterwards as the reader left it."""
    clean, shown = page.locator("img.clean"), page.locator("img.adversarial")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert shown.get_attribute("src") != clean.get_attribute("src")
    assert all(part in page.locator(".stage").inner_text() for part in ("2/255", "128"))  # the greatest here
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    assert shown.get_attribute("src") == clean.get_attribute("src")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
