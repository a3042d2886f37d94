"""The status page by the keyboard, for a screen reader, on a small screen and for weak eyes."""

import pytest
from browser import Spoken
from playwright.sync_api import expect
from status_page import PLOTS, ROUTES, view_of, words

# --- by the keyboard -----------------------------------------------------------------------------


FOCUSED = """() => {
  const it = document.activeElement;
  const style = getComputedStyle(it), box = it.getBoundingClientRect();
  const inWidth = box.left >= 0 && box.right <= innerWidth && box.width > 0;
  const inHeight = box.bottom > 0 && box.top < innerHeight && box.height > 0;
  const by = document.getElementById(it.getAttribute("aria-labelledby"));
  const label = it.getAttribute("aria-label") ?? by?.innerText ?? it.labels?.[0].innerText;
  return {
    name: label ?? it.innerText,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    within: inWidth && inHeight,
    top: box.top + scrollY,
  };
}"""


def tab_through(page):
    """What Tab reaches, one after the other, until it leaves the page."""
    found = []
    while True:
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if page.evaluate("document.activeElement === document.body"):
            return found
        found.append(focused | {"name": words(focused["name"])})
        assert len(found) < 100, found


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(view, scene):
    reached = tab_through(view.page)

    assert [each["name"] for each in reached] == [
        "To the groups",
        "live",
        "3 partitions assigned here",
        f"Partitions of {scene.group('billing')}",
        "3 partitions assigned here",
        "3 partitions assigned here",
        "Latest warnings and errors",
        "Filter",
        "Event types",
        "metrics",
        "readiness",
        "this page as JSON",
    ]
    assert [each for each in reached if each["outline"] < 2 or not each["within"]] == []
    tops = [each["top"] for each in reached[1:]]  # the first is above all
    assert tops == sorted(tops)


def test_the_first_key_leads_past_the_plots(view):
    view.page.keyboard.press("Tab")
    view.page.keyboard.press("Enter")
    view.page.keyboard.press("Tab")

    assert view.page.evaluate(FOCUSED)["name"] == "3 partitions assigned here"


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_key_opens_and_closes_the_details_of_a_group_which_stay_so(view, scene, key):
    table = view.page.get_by_role("table", name=f"Partitions of {scene.group('warehouse')}")
    box = view.page.locator(".group").filter(has_text=scene.group("warehouse"))
    expect(table).to_be_hidden()
    box.locator("summary").focus()

    for now in (expect(table).to_be_visible, expect(table).to_be_hidden):
        view.page.keyboard.press(key)
        now()
        expect(view.beat).not_to_have_text(view.beat.inner_text())  # another look
        now()
        expect(box.locator("summary")).to_be_focused()


def test_a_key_switches_live_off_and_on(view):
    live = view.page.get_by_role("checkbox", name="live")
    live.focus()

    view.page.keyboard.press("Space")
    expect(live).not_to_be_checked()
    view.page.keyboard.press("Space")
    expect(live).to_be_checked()


def test_a_screen_reader_is_told_what_each_part_is(view, scene):
    spoken = list(view.tab.spoken())
    tables = [
        f"Partitions of {scene.group('billing')}",
        "Latest warnings and errors",
        "Event types",
    ]

    assert [each.name for each in spoken if each.role == "figure"] == PLOTS
    assert [each.name for each in spoken if each.role == "table"] == tables
    assert [each.name for each in spoken if each.role == "region"] == [
        "Flow",
        "Groups in this process",
        tables[0],
        tables[1],
        tables[1],
        tables[2],
        tables[2],
        "Process and brokers",
    ]
    assert Spoken("status", "State", "polite") in spoken
    assert view.page.locator("html").get_attribute("lang") == "en"
    unnamed = {"checkbox", "link", "searchbox", "heading", "columnheader", "figure", "region"}
    assert [each for each in spoken if each.role in unnamed and not each.name] == []


def test_a_screen_reader_is_told_of_an_alarm_at_once_and_once(gateway, browser):
    one = gateway(ROUTES, "embedded")
    with view_of(browser, f"http://{one.ready['admin']}/") as view:
        view.page.evaluate("""() => {
          window.changes = 0;
          const watch = new MutationObserver((changes) => (window.changes += changes.length));
          const all = { subtree: true, childList: true, characterData: true };
          watch.observe(document.getElementById("alarm"), all);
        }""")
        one.kill()
        expect(view.alarm).to_be_visible()
        looked = view.asked("status.json")
        with view.page.expect_event(
            "requestfailed", lambda _: view.asked("status.json") > looked + 1
        ):
            pass  # one more has been told of

        assert [each.live for each in view.tab.spoken() if each.role == "alert"] == ["assertive"]
        assert view.page.evaluate("changes") == 1


# --- for eyes -------------------------------------------------------------------------------------


CONTRAST = """() => {
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) =>
    0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const ground = (it) => {
    for (; it; it = it.parentElement) {
      const color = parse(getComputedStyle(it).backgroundColor);
      if (color[3] !== 0) return color;
    }
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const it = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !it.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(it).color)), light(ground(it))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${texts.currentNode.data}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(view, scheme):
    view.page.emulate_media(color_scheme=scheme)

    assert view.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_has_to_be_scrolled_sideways_but_tables_in_their_boxes(view, width):
    view.page.set_viewport_size({"width": width, "height": 800})

    widest = view.page.evaluate("document.documentElement.scrollWidth")
    assert widest <= width
