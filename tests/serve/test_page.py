"""The page in headless Chromium: drawn with mouse, finger and keyboard, in all sizes and themes."""

import math
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tinytensor as tt
from tests.serve.strokes import strokes

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
    yield from opened_page(browser, address, *request.param)


@pytest.fixture
def desktop(browser, address):
    yield from opened_page(browser, address, "desktop", "light")


def opened_page(browser, address, size, scheme):
    """The page in a browser of that size; afterwards nothing has gone wrong in it."""
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


def draw(page, strokes, steps=6):
    box = page.locator("#drawing").bounding_box()
    scale = box["width"] / 336
    for first, *others in strokes:
        page.mouse.move(box["x"] + first[0] * scale, box["y"] + first[1] * scale)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=steps)
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


def seen(page):
    """The image that the page says the network sees."""
    pixels = page.evaluate("[...seen.getContext('2d').getImageData(0, 0, 28, 28).data]")
    return np.array(pixels, np.uint8).reshape(28, 28, 4)[..., 0]


def drawn_and_read(page, image):
    """The answer of the page to a digit that is drawn with its pen, and the image that the network saw."""
    page.evaluate("clear()")
    draw(page, [[(12 * x, 12 * y) for x, y in stroke] for stroke in strokes(image)], steps=1)
    page.evaluate("""new Promise((done) => {
        const look = () => (busy || waiting ? setTimeout(look, 5) : done());
        look();
    })""")
    return int(page.inner_text("#answer")), seen(page)


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_real_digits_drawn_stroke_by_stroke_are_recognised_as_the_model_recognises_them(desktop, name):
    """Digits that no training has seen, thinned to lines and drawn with the pen of the page.

    The page gives exactly what the model gives for the images that it shows. A pen has one width, so these
    are not the original images; but as many are recognised, up to three standard errors of the difference of
    two shares of n digits.
    """
    count = 30
    images, labels = (array[:count] for array in tt.datasets.mnist("sample"))
    model = getattr(tt.models, name)()
    desktop.select_option("#model", name)
    answers, shown = zip(*(drawn_and_read(desktop, image) for image in images), strict=True)
    assert answers == tuple(model.predict(np.stack(shown)).argmax(axis=1).tolist())
    accuracy = {"mnist_mlp": 0.986, "mnist_cnn": 0.9951}[name]  # of 10,000 test digits
    on_originals = np.mean(model.predict(images).argmax(axis=1) == labels)
    allowed = 3 * math.sqrt(2 * accuracy * (1 - accuracy) / count)
    assert np.mean(np.array(answers) == labels) >= on_originals - allowed


def test_feature_maps_are_those_of_the_image_that_is_seen(desktop):
    """Each map is a part of the sheet; a pixel is as opaque as its share of the layer's largest magnitude."""
    model = tt.models.mnist_cnn()
    desktop.select_option("#model", "mnist_cnn")
    _, image = drawn_and_read(desktop, tt.datasets.mnist("sample")[0][0])
    outputs = model.outputs(image[None])
    checked = 0
    for position, (name, y) in enumerate(outputs.items()):
        maps = y.numpy()[0]
        canvas = desktop.locator("#layers li canvas").nth(position)
        wide, high, pixels = canvas.evaluate(
            "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
        )
        if maps.ndim != 3 or maps.size > 4096:  # a vector, or more than the page shows
            continue
        count, height, width = maps.shape
        across = math.ceil(math.sqrt(3 * count))
        assert (wide, high) == (across * (width + 1), math.ceil(count / across) * (height + 1))
        sheet = np.array(pixels, np.uint8).reshape(high, wide, 4)
        for number, expected in enumerate(maps):
            top, left = number // across * (height + 1), number % across * (width + 1)
            opaque = sheet[top : top + height, left : left + width, 3].astype(float)
            # rounded to 5 decimals on the way and to a whole number of 255 here
            rounding = 0.5 + 255 * 1e-5 / np.abs(maps).max()
            assert np.abs(opaque - 255 * np.abs(expected) / np.abs(maps).max()).max() <= rounding, name
        checked += 1
    assert checked >= 8
