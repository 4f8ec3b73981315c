"""The page in headless Chromium: drawn with mouse, finger and keyboard, in all sizes and themes."""

import shutil
import subprocess
import sys

import pytest

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium, as of Debian's package chromium")

# On a canvas of 336 × 336
STROKES = {
    0: [
        [
            (168, 60),
            (100, 110),
            (90, 180),
            (120, 260),
            (170, 280),
            (230, 250),
            (245, 170),
            (220, 90),
            (168, 60),
        ]
    ],
    1: [[(170, 50), (168, 170), (166, 290)]],
    7: [[(95, 80), (235, 80), (190, 180), (150, 285)]],
}
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "tinytensor", "demo", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield server.stdout.readline().split()[0]
    server.terminate()
    server.communicate()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request, browser, address):
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone"
    )
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    # a refused model is an answer of status 400, which Chromium reports as an error
    opened.on(
        "console",
        lambda each: problems.append(each.text) if each.type == "error" and "400" not in each.text else None,
    )
    opened.on(
        "request", lambda sent: None if sent.url.startswith((address, "data:")) else problems.append(sent.url)
    )
    opened.goto(address)
    opened.wait_for_selector("#layers li")
    yield opened
    assert problems == []
    context.close()


def draw(page, strokes):
    box = page.locator("#drawing").bounding_box()
    scale = box["width"] / 336
    for first, *others in strokes:
        page.mouse.move(box["x"] + first[0] * scale, box["y"] + first[1] * scale)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=6)
        page.mouse.up()


@pytest.mark.parametrize("digit", STROKES)
def test_strokes_are_read(page, digit):
    draw(page, STROKES[digit])
    playwright.expect(page.locator("#answer")).to_have_text(str(digit))
    playwright.expect(page.locator("#spoken")).to_contain_text(f"{digit}, ")
    playwright.expect(page.locator("tr.best th")).to_have_text(str(digit))
    assert "µs" in page.inner_text("#time")
    page.click("#clear")
    playwright.expect(page.locator("#answer")).to_have_text("–")


def test_the_keyboard_draws(page):
    page.focus("#drawing")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    for _ in range(17):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    playwright.expect(page.locator("#answer")).to_have_text("1")
    page.keyboard.press("Delete")
    playwright.expect(page.locator("#answer")).to_have_text("–")


def test_layers_are_explained_one_after_the_other(page):
    draw(page, STROKES[7])
    playwright.expect(page.locator("#answer")).to_have_text("7")
    count = page.locator("#layers li").count()
    for position in range(count):
        page.click("#next")
        button = page.locator("#layers button").nth(position)
        playwright.expect(button).to_have_attribute("aria-current", "true")
        playwright.expect(page.locator("#step .formula").first).not_to_be_empty()
    playwright.expect(page.locator("#step .formula").last).to_contain_text("Σ e^(zₖ")


def test_a_real_digit_and_a_model_that_is_none(page):
    page.click("#sample")
    playwright.expect(page.locator("#answer")).not_to_have_text("–")
    page.set_input_files("#file", {"name": "x.npz", "mimeType": "application/zip", "buffer": b"none"})
    playwright.expect(page.locator("#error")).to_contain_text("x.npz: no model")


def test_nothing_is_wider_than_the_page(page):
    draw(page, STROKES[0])
    assert page.locator("body").bounding_box()["width"] <= page.viewport_size["width"]
    for each in page.locator(".card").all():
        box = each.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]


def test_every_control_has_a_name(page):
    for control in page.locator("button, select, input").all():
        name = control.evaluate("each => each.innerText || (each.labels && each.labels[0]?.innerText)")
        assert name
