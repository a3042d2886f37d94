"use strict";

const PERIOD_MS = 2000;
const KEPT = 150; // points of a plot: five minutes

const byId = (id) => document.getElementById(id);

// --- figures -------------------------------------------------------------------------------------

const decimals = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

const count = (value) => whole.format(value);
const many = (value, what) => `${count(value)} ${what}${value === 1 ? "" : "s"}`;
const rate = (value) => `${value < 10 ? decimals.format(value) : whole.format(value)}/s`;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; ++unit) value /= 1024;
  return `${decimals.format(value)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds <= 0) return "0 s";
  if (seconds < 1) return `${whole.format(seconds * 1000)} ms`;
  if (seconds < 120) return `${decimals.format(seconds)} s`;
  if (seconds < 7200) return `${whole.format(seconds / 60)} min`;
  if (seconds < 172800) return `${decimals.format(seconds / 3600)} h`;
  return `${decimals.format(seconds / 86400)} d`;
}

// --- Prometheus' text format ---------------------------------------------------------------------

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

function parseMetrics(text) {
  const series = new Map(); // name -> [{labels, value}]
  for (const line of text.split("\n")) {
    if (line === "" || line[0] === "#") continue;
    const end = line.lastIndexOf(" ");
    const brace = line.indexOf("{");
    const name = line.slice(0, brace === -1 ? end : brace);
    const labels = {};
    if (brace !== -1) {
      for (const [, key, value] of line.slice(brace).matchAll(LABEL)) {
        labels[key] = value.replace(/\\[n"\\]/g, (escape) => ESCAPES[escape]);
      }
    }
    if (!series.has(name)) series.set(name, []);
    series.get(name).push({ labels, value: Number(line.slice(end + 1)) });
  }
  const of = (name) => series.get(name) ?? [];
  return {
    of,
    sum: (name, wanted = () => true) =>
      of(name).reduce((sum, one) => (wanted(one.labels) ? sum + one.value : sum), 0),
  };
}

// --- elements ------------------------------------------------------------------------------------

// Text only ever becomes text: nothing that a client chose is read as HTML.
function element(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

// Makes an element's children what they are to be, and touches none that is so already: focus, scrolling,
// a selection and the place of a screen reader stay where they are from look to look.
function fill(parent, ...children) {
  const shown = [...parent.childNodes];
  children.forEach((child, i) => (shown[i] ? become(shown[i], child) : parent.append(child)));
  for (const extra of shown.slice(children.length)) extra.remove();
}

function become(shown, wanted) {
  if (shown.nodeName !== wanted.nodeName) {
    shown.replaceWith(wanted);
  } else if (shown.nodeType === Node.TEXT_NODE) {
    if (shown.data !== wanted.data) shown.data = wanted.data;
  } else {
    for (const { name } of [...shown.attributes]) if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
    for (const { name, value } of wanted.attributes) {
      if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    }
    fill(shown, ...wanted.childNodes);
  }
}

const cell = (text, kind) => element("td", { class: kind }, String(text));
const chip = (text, kind) => element("li", { class: `chip ${kind ?? ""}` }, text);

// --- plots ---------------------------------------------------------------------------------------

class Plot {
  constructor(title, show, read) {
    this.show = show;
    this.read = read;
    this.points = [];
    this.now = element("strong", {}, "–");
    this.area = element("svg:path", { class: "area" });
    this.stroke = element("svg:path", { class: "stroke" });
    const drawing = element(
      "svg:svg",
      { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" },
      this.area,
      this.stroke,
    );
    this.most = element("p", {}, "\u00a0");
    byId("plots").append(
      element("figure", { class: "plot", "aria-label": title },
        element("figcaption", {}, title, " ", this.now), drawing, this.most),
    );
  }

  add(metrics, seconds) {
    const value = this.read(metrics, seconds);
    if (value === undefined) return;
    this.points.push(value);
    if (this.points.length > KEPT) this.points.shift();
    this.draw();
  }

  draw() {
    const most = Math.max(...this.points);
    const scale = most > 0 ? 37 / most : 0;
    const x = (i) => 100 - ((this.points.length - 1 - i) * 100) / (KEPT - 1);
    const line = this.points.map((value, i) => `${x(i).toFixed(2)} ${(39.5 - value * scale).toFixed(2)}`);
    this.stroke.setAttribute("d", `M${line.join("L")}`);
    this.area.setAttribute("d", `M${x(0).toFixed(2)} 40L${line.join("L")}L100 40Z`);
    this.now.textContent = this.show(this.points.at(-1));
    this.most.textContent = `most ${this.show(most)}`;
  }
}

// How fast a counter grows. Nothing for the first time, and after a restart.
function growth(read) {
  let before;
  return (metrics, seconds) => {
    const now = read(metrics);
    const last = before;
    before = now;
    return last === undefined || now < last || seconds <= 0 ? undefined : (now - last) / seconds;
  };
}

const plots = [
  new Plot("Published", rate, growth((m) => m.sum("sidebus_published_events_total", (l) => l.outcome === "ok"))),
  new Plot("Publish refused or failed", rate, growth((m) => m.sum("sidebus_published_events_total", (l) => l.outcome !== "ok"))),
  new Plot("Delivered", rate, growth((m) => m.sum("sidebus_deliveries_total"))),
  new Plot("Settled", rate, growth((m) => m.sum("sidebus_settled_events_total"))),
  new Plot("Returned unsettled", rate, growth((m) => m.sum("sidebus_returned_deliveries_total"))),
  new Plot("Dead-lettered", rate, growth((m) => m.sum("sidebus_dead_lettered_events_total"))),
  new Plot("Lag of the groups here", count, (m) => m.sum("sidebus_consumer_lag_events")),
  new Plot("Memory budget in use", bytes, (m) => m.sum("sidebus_memory_budget_used_bytes")),
];

// --- sections ------------------------------------------------------------------------------------

function showStates(status) {
  byId("version").textContent = `${status.version} ${status.revision}`;
  fill(
    byId("states"),
    status.ready ? chip("ready", "good") : chip("not ready", "bad"),
    status.broker_reachable ? chip(`${status.broker} reachable`, "good") : chip(`${status.broker} out of reach`, "bad"),
    ...(status.draining ? [chip("draining", "warn")] : []),
  );
}

function whyHeld(partition) {
  const head = partition.head;
  if (!head) return "";
  const error = head.last_error ? `: ${head.last_error}` : "";
  return `offset ${head.offset} is ${head.state}, attempt ${head.attempt}${error}`;
}

function partitionRow(partition) {
  const lag = partition.end < 0 ? "" : count(Math.max(0, partition.end - Math.max(0, partition.committed)));
  const old = partition.oldest_seconds;
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: "code" }, `${partition.topic}/${partition.partition}`),
    cell(partition.committed < 0 ? "none" : partition.committed, "number"),
    cell(lag, "number"),
    cell(count(partition.held), "number"),
    cell(count(partition.held_back), `number ${partition.held_back > 0 ? "warn" : ""}`),
    cell(partition.head ? duration(old) : "", `number ${old > 600 ? "bad" : old > 60 ? "warn" : ""}`),
    cell(whyHeld(partition), "wide"),
  );
}

function partitionTable(group) {
  const heads = ["Partition", "Committed", "Lag", "Held", "Keys held back", "Oldest", "What holds it"];
  const numbers = new Set(["Committed", "Lag", "Held", "Keys held back", "Oldest"]);
  const title = `Partitions of ${group.group || "a broadcast"}`;
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    element(
      "table",
      { "aria-label": title },
      element("thead", {}, element("tr", {}, ...heads.map((head) =>
        element("th", { scope: "col", class: numbers.has(head) ? "number" : "" }, head)))),
      element("tbody", {}, ...group.partitions.map(partitionRow)),
    ),
  );
}

const opened = new Map(); // group -> whether its table is open, once a person opened or closed it

byId("group-list").addEventListener("toggle", ({ target }) => {
  const { group, open } = target.dataset; // what the page itself made of it says nothing
  if (opened.has(group) || target.open !== (open !== undefined)) opened.set(group, target.open);
}, true);

function groupBox(group) {
  const name = group.group || "(broadcast)";
  const isHeld = group.held_back > 0 || group.trouble !== "";
  const shown = group.partitions.length;
  const more = group.partition_count > shown ? `, ${shown} of them shown` : "";
  const open = opened.get(name) ?? isHeld;
  const details = element(
    "details",
    { open, "data-open": open, "data-group": name },
    element("summary", {}, `${many(group.partition_count, "partition")} assigned here${more}`),
    partitionTable(group),
  );
  return element(
    "div",
    { class: "group" },
    element(
      "div",
      { class: "group-head" },
      element("h3", { class: "code" }, name),
      element("ul", { class: "states" },
        chip(many(group.streams, "stream")),
        chip(`lag ${count(group.lag_events)}`, group.lag_events > 0 ? "" : "good"),
        ...(group.held_back > 0 ? [chip(`${many(group.held_back, "key")} held back`, "warn")] : []),
        ...(group.oldest_seconds > 0 ? [chip(`oldest ${duration(group.oldest_seconds)}`, group.oldest_seconds > 600 ? "bad" : "")] : [])),
      element("small", { class: "code" }, group.topics.join(", ")),
    ),
    element("p", { class: "trouble", hidden: group.trouble === "" }, group.trouble),
    details,
  );
}

function showGroups(groups) {
  byId("no-groups").hidden = groups.length > 0;
  fill(byId("group-list"), ...groups.map(groupBox));
}

function showProblems(problems) {
  byId("no-problems").hidden = problems.length > 0;
  byId("problems").hidden = problems.length === 0;
  fill(
    byId("problems").tBodies[0],
    ...problems.map((problem) =>
      element(
        "tr",
        {},
        element("td", { class: "number" }, element("time", { datetime: new Date(problem.time * 1000).toISOString() },
          new Date(problem.time * 1000).toLocaleTimeString())),
        cell(problem.level, `level-${problem.level}`),
        element("td", { class: "wide" }, problem.what, " ", element("span", { class: "code quiet" }, problem.fields)),
        cell(count(problem.times), "number"),
      ),
    ),
  );
}

let types = [];
let published = new Map();

function showTypes() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const rows = [];
  let matching = 0;
  for (const type of types) {
    const topics = type.routes.map((route) => route.topic).join(" ");
    if (wanted && !`${type.type} ${topics}`.toLowerCase().includes(wanted)) continue;
    ++matching;
    const figures = published.get(type.type) ?? { ok: 0, failed: 0 };
    type.routes.forEach((route, i) => {
      const span = type.routes.length;
      rows.push(
        element(
          "tr",
          {},
          ...(i === 0 ? [element("th", { scope: "row", rowspan: span, class: "code name" }, type.type)] : []),
          element("td", { class: "code name" }, route.topic, route.enabled ? "" : " (off)"),
          cell(route.key, "code"),
          ...(i === 0
            ? [element("td", { rowspan: span, class: "number" }, count(figures.ok)),
               element("td", { rowspan: span, class: `number ${figures.failed > 0 ? "bad" : ""}` }, count(figures.failed))]
            : []),
        ),
      );
    });
  }
  byId("no-types").hidden = types.length > 0;
  byId("types").hidden = types.length === 0;
  byId("type-count").textContent = types.length === 0 ? "" : wanted ? `${count(matching)} of ${count(types.length)}` : count(types.length);
  fill(byId("types").tBodies[0], ...rows);
}

function countPublished(metrics) {
  published = new Map();
  for (const { labels, value } of metrics.of("sidebus_published_events_total")) {
    const figures = published.get(labels.event_type) ?? { ok: 0, failed: 0 };
    figures[labels.outcome === "ok" ? "ok" : "failed"] += value;
    published.set(labels.event_type, figures);
  }
}

function showProcess(status, metrics) {
  const started = metrics.sum("process_start_time_seconds");
  const brokers = new Map();
  for (const { labels, value } of metrics.of("sidebus_kafka_broker_connected")) {
    if (labels.broker === "any") continue;
    brokers.set(labels.broker, Math.max(brokers.get(labels.broker) ?? 0, value));
  }
  const brokerText = [...brokers].map(([id, isUp]) => `broker ${id} ${isUp ? "connected" : "not connected"}`).join(", ");
  const facts = [
    ["Up for", duration(status.time - started)],
    ["Resident memory", bytes(metrics.sum("process_resident_memory_bytes"))],
    ["Memory budget", `${bytes(metrics.sum("sidebus_memory_budget_used_bytes"))} of ${bytes(metrics.sum("sidebus_memory_budget_limit_bytes"))}`],
    ["Processor time", duration(metrics.sum("process_cpu_seconds_total"))],
    ["Connections of clients", count(metrics.sum("sidebus_connections"))],
    ["Events being published", count(metrics.sum("sidebus_publish_inflight_events"))],
    ["Brokers", brokerText || "none known yet"],
    ["Slowest answers to the producer (p99)", duration(metrics.sum("sidebus_kafka_rtt_p99_seconds", (l) => l.client === "producer"))],
    ["Open files", `${count(metrics.sum("process_open_fds"))} of ${count(metrics.sum("process_max_fds"))}`],
  ];
  fill(
    byId("process"),
    ...facts.map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))),
  );
}

// --- polling -------------------------------------------------------------------------------------

let last;

async function fetchText(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.text();
}

async function look() {
  try {
    const [json, text] = await Promise.all([fetchText("status.json"), fetchText("metrics")]);
    const status = JSON.parse(json);
    const metrics = parseMetrics(text);
    const now = performance.now();
    const seconds = last === undefined ? 0 : (now - last) / 1000;
    last = now;
    showStates(status);
    for (const plot of plots) plot.add(metrics, seconds);
    showGroups(status.groups);
    showProblems(status.problems);
    types = status.event_types;
    countPublished(metrics);
    showTypes();
    showProcess(status, metrics);
    byId("alarm").hidden = true;
    byId("beat").textContent = `as of ${new Date(status.time * 1000).toLocaleTimeString()}`;
  } catch (error) {
    fill(byId("alarm"), new Text(`No answer from the gateway (${error.message}). What is shown is old.`));
    byId("alarm").hidden = false;
  }
}

async function follow() {
  if (byId("live").checked && !document.hidden) await look();
  setTimeout(follow, PERIOD_MS);
}

byId("filter").addEventListener("input", showTypes);
follow();
