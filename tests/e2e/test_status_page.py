"""The status page, as a person's browser shows it: a real Chromium, without a display."""

import re
from pathlib import Path

from gateway import http_get
from playwright.sync_api import expect
from status_page import MARKUP, PERIOD_MS, PLOTS, ROUTES, View, order, view_of, words
from waiting import eventually

ARTIFACTS = Path(__file__).resolve().parents[2] / "build" / "test-logs"

# --- what it shows --------------------------------------------------------------------------------


def test_it_says_that_all_is_well_and_raises_no_alarm(view):
    states = view.page.get_by_role("status", name="State").get_by_role("listitem")

    assert states.all_inner_texts() == ["ready", "kafka reachable"]
    expect(view.page.locator("#alarm")).to_be_hidden()


def test_it_tells_what_holds_a_group_back(view, scene):
    name = scene.group("billing")
    box = view.page.locator(".group").filter(has=view.page.get_by_role("heading", name=name))
    rows = view.rows(f"Partitions of {name}")

    assert {"1 stream", "1 key held back"} <= set(box.get_by_role("listitem").all_inner_texts())
    (held,) = [row for row in rows if row[4] == "1"]
    assert re.fullmatch(r"orders/\d", held[0])
    assert held[6] == f"offset {held[1]} is waiting, attempt 2: {MARKUP}"


def test_it_tells_which_group_is_behind_and_which_is_not(view, scene):
    boxes = {
        words(box.get_by_role("heading").inner_text()): box.get_by_role("listitem")
        for box in view.page.locator(".group").all()
    }

    def lag_is_told(name):
        lag = scene.state(name)["lag_events"]
        return boxes[scene.group(name)].nth(1).inner_text() == f"lag {lag:,}"

    eventually(lambda: lag_is_told("search-index"), "the lag of the one")
    eventually(lambda: lag_is_told("warehouse"), "the lag of the other")
    assert scene.state("search-index")["lag_events"] > 0
    assert scene.state("warehouse")["lag_events"] == 0


def test_what_clients_write_never_becomes_part_of_the_page(view):
    expect(view.page.get_by_text(MARKUP)).to_be_visible()
    assert view.page.locator("body b").count() == 0


def test_it_shows_event_types_with_their_routes_and_figures(view, scene):
    prefix = scene.gateway.prefix
    rows = view.rows("Event types")

    created = scene.published("order.created")
    assert created >= 40
    assert ["order.created", f"{prefix}-orders", "order.id", f"{created:,}", "1"] in rows
    shipped = rows.index(["order.shipped", f"{prefix}-orders", "order.id", "0", "0"])
    assert rows[shipped + 1] == [f"{prefix}-shipments", "order.id"]
    assert ["user.registered", f"{prefix}-users (off)", "user.id", "0", "0"] in rows


def test_event_types_can_be_looked_for(view, scene):
    view.page.get_by_label("Filter").fill("STOCK")

    assert view.rows("Event types") == [
        ["stock.moved", f"{scene.gateway.prefix}-stock", "", "0", "0"]
    ]
    expect(view.page.get_by_role("heading", name="Event types")).to_have_text(
        f"Event types 1 of {len(ROUTES)}"
    )


def test_an_error_of_the_process_has_its_row(view, scene):
    rows = view.rows("Latest warnings and errors")

    (error,) = [row for row in rows if row[1] == "error"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d", error[0])
    assert error[2].startswith("the log is shorter than the group's position: it was truncated;")
    assert f"group={scene.group('warehouse')} " in error[2]
    assert error[3] == "1"


def test_it_names_the_brokers_and_whether_they_are_connected(view, cluster):
    (broker,) = cluster.brokers()

    expect(view.fact("Brokers")).to_have_text(f"broker {broker} connected")


def test_it_shows_what_the_process_uses(view):
    expect(view.fact("Resident memory")).to_have_text(re.compile(r"^\d[\d.]* MiB$"))
    expect(view.fact("Memory budget")).to_have_text(re.compile(r"^\d.* [KM]?i?B of \d[\d.]* MiB$"))
    expect(view.fact("Open files")).to_have_text(re.compile(r"^\d+ of \d"))


# --- live -----------------------------------------------------------------------------------------


def test_every_plot_gets_its_points(view):
    for title in PLOTS:
        eventually(lambda title=title: len(view.heights(title)) >= 2, f"points of {title}")
    assert view.page.locator("figure").count() == len(PLOTS)


def test_figures_and_plots_follow_what_happens_without_a_reload(view, scene):
    created = view.page.get_by_role("row", name="order.created").get_by_role("cell").nth(2)
    eventually(lambda: view.heights("Published"), "a first point")
    assert max(view.heights("Published")) == 0
    before = int(created.inner_text())

    scene.bus.must_publish(*[order(n) for n in range(100, 125)])

    expect(created).to_have_text(str(before + 25))
    eventually(lambda: max(view.heights("Published")) > 30, "a plot that rises")
    expect(view.plot("Published")).not_to_contain_text("most 0/s")
    assert max(view.heights("Publish refused or failed")) == 0
    assert view.asked("") == view.asked("status.js") == 1


def test_switched_off_it_asks_no_more_until_it_is_switched_on(scene, browser):
    with browser.tab() as tab:
        tab.page.clock.install()
        view = View(tab, scene.url)
        view.open()
        view.page.get_by_role("checkbox", name="live").uncheck()
        view.page.clock.run_for(PERIOD_MS)
        before, shown = len(tab.requests), view.rows("Event types")
        scene.bus.must_publish(order(7))

        view.page.clock.run_for(30 * PERIOD_MS)
        assert len(tab.requests) == before
        assert view.rows("Event types") == shown

        view.page.get_by_role("checkbox", name="live").check()
        view.page.clock.run_for(PERIOD_MS)
        eventually(lambda: view.rows("Event types") != shown, "what happened meanwhile")


COUNT_LOOKS_BEFORE_ALARM = """() => {
  const ask = fetch, alarm = document.getElementById("alarm");
  window.looks = 0;
  window.fetch = (path, ...rest) => ((looks += path === "status.json"), ask(path, ...rest));
  const watch = new MutationObserver(() => alarm.hidden || (window.alarmedAfter ??= looks));
  watch.observe(alarm, { attributes: true });
}"""


def test_a_gateway_that_is_gone_is_told_of_by_the_next_look_and_so_is_its_return(
    gateway, browser, free_address
):
    one = gateway(ROUTES, "embedded", admin=free_address)
    with view_of(browser, f"http://{free_address}/") as view:
        expect(view.page.locator("#alarm")).to_be_hidden()
        view.page.evaluate(COUNT_LOOKS_BEFORE_ALARM)

        one.kill()
        before = view.page.evaluate("looks")

        expect(view.alarm).to_contain_text("No answer from the gateway")
        expect(view.alarm).to_contain_text("What is shown is old.")
        assert view.page.evaluate("alarmedAfter") - before <= 2  # one may still have been answered

        one.start()
        expect(view.page.locator("#alarm")).to_be_hidden()


def test_what_a_person_reads_stays_in_place_from_look_to_look(view, scene):
    """Selected text, and elements: a screen reader loses its place in those that are replaced."""
    error = view.page.get_by_role("row", name="error").get_by_role("cell").nth(2)
    error.select_text()
    view.page.evaluate("""() => {
      window.touched = [];
      const parts = document.querySelectorAll("[role=status], #problems, h3, summary");
      const watch = new MutationObserver((changes) => touched.push(...changes.map((c) => c.type)));
      const all = { subtree: true, childList: true, attributes: true, characterData: true };
      for (const part of parts) watch.observe(part, all);
    }""")
    selected = view.page.evaluate("String(getSelection())")
    for _ in range(2):
        expect(view.beat).not_to_have_text(view.beat.inner_text())

    assert "the log is shorter" in selected
    assert view.page.evaluate("String(getSelection())") == selected
    assert view.page.evaluate("touched") == []


# --- what it may do -------------------------------------------------------------------------------


def test_every_file_of_it_comes_with_a_policy_that_lets_it_load_nothing_else(scene, browser):
    with browser.tab() as tab:
        answers = []
        tab.page.on("response", lambda answer: answers.append(answer))
        View(tab, scene.url).open()

    policies = {
        answer.url.removeprefix(scene.url): answer.headers["content-security-policy"]
        for answer in answers
    }
    assert policies.keys() >= {"", "status.css", "status.js"}
    for path in ("", "status.css", "status.js"):
        rules = dict(rule.split(" ", 1) for rule in policies[path].split("; "))
        assert rules["default-src"] == "'none'"
        assert set(rules.values()) == {"'none'", "'self'"}


def test_a_script_that_got_into_it_would_not_run(scene, browser):
    with view_of(browser, scene.url) as view:
        refused = view.page.evaluate("""() => new Promise((done) => {
          const refuse = (event) => done(event.effectiveDirective);
          document.addEventListener("securitypolicyviolation", refuse);
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        })""")

        assert refused == "script-src-elem"
        assert view.page.evaluate("window.ran") is None


def test_it_is_not_shown_to_strangers_unless_that_is_asked_for(gateway, free_address):
    port = free_address.rsplit(":", 1)[1]
    closed = gateway(ROUTES, "embedded", admin=f"0.0.0.0:{port}")
    here = f"http://{free_address}"

    assert http_get(f"{here}/metrics")[0] == 200
    assert http_get(f"{here}/")[0] == 404
    assert http_get(f"{here}/status.json")[0] == 404
    closed.stop()

    gateway(ROUTES, "embedded", admin=f"0.0.0.0:{port}", admin_pages=True)
    assert http_get(f"{here}/")[0] == 200


# --- its pictures ---------------------------------------------------------------------------------


def test_its_pictures_are_kept_and_dark_is_dark(scene, browser):
    """With a history of a minute and a half, which a clock of the test's own makes short."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with browser.tab() as tab:
        tab.page.clock.install()
        view = View(tab, scene.url)
        view.open()
        for look in range(45):
            before = len(view.heights("Lag of the groups here"))
            scene.go_on(look)
            view.page.clock.run_for(PERIOD_MS)
            eventually(
                lambda before=before: len(view.heights("Lag of the groups here")) > before, "a look"
            )

        def picture(name, width, scheme):
            view.page.set_viewport_size({"width": width, "height": 800})
            view.page.emulate_media(color_scheme=scheme)
            path = ARTIFACTS / f"status-page-{name}.png"
            return browser.luminance(view.page.screenshot(path=path, full_page=True))

        light, dark = picture("light", 1280, "light"), picture("dark", 1280, "dark")
        picture("narrow", 390, "light")

    assert light > 200
    assert dark < 60
