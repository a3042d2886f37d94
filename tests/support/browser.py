"""Debian's Chromium without a display, driven by Playwright, whose own browsers are not fetched."""

import base64
import contextlib
import shutil
from typing import NamedTuple

from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=20_000)

# Of a picture: how light it is, from 0 (black) to 255. Pixels are read where there is a decoder.
LUMINANCE = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4)
    sum += 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
  return sum / (data.length / 4);
}"""


@contextlib.contextmanager
def chromium():
    """A Browser, until the `with` ends."""
    program = shutil.which("chromium")
    assert program, "no chromium: it is a package of Debian's"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        try:
            yield Browser(browser)
        finally:
            browser.close()


class Browser:
    def __init__(self, browser):
        self._browser = browser

    @contextlib.contextmanager
    def tab(self, **options):
        """A Tab of its own, until the `with` ends. Options are those of Playwright's context."""
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
        context = self._browser.new_context(**options)
        try:
            yield Tab(context)
        finally:
            context.close()

    def luminance(self, png):
        with self.tab() as tab:
            return tab.page.evaluate(LUMINANCE, base64.b64encode(png).decode())


class Spoken(NamedTuple):
    """A thing of the accessibility tree. `live`: how soon its changes are told, "": not at all."""

    role: str
    name: str
    live: str = ""

    @classmethod
    def of(cls, node):
        properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
        name = node.get("name", {}).get("value", "")
        return cls(node["role"]["value"], name, properties.get("live", ""))


class Tab:
    """A page, and what it did: the URLs it asked for, and what its console said."""

    def __init__(self, context):
        self.page = context.new_page()
        self.requests, self.said = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._refuse)

    def spoken(self):
        """What a screen reader is told, in order: Chromium's own tree."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Accessibility.enable")
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        found, left = {node["nodeId"]: node for node in nodes}, [nodes[0]]
        while left:
            node = left.pop()
            left += [found[child] for child in reversed(node["childIds"]) if child in found]
            if not node["ignored"]:
                yield Spoken.of(node)

    def _refuse(self, dialog):
        self.said.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
