// The wallboard: takes snapshots from the board and shows them; says at once when they stop being true.

import { Agents } from "./agents.js";
import { Announcer } from "./alarm.js";
import { Connection } from "./connection.js";
import { Definitions } from "./definitions.js";
import { byId, make, mark, write } from "./dom.js";
import { count, duration, timeOfDay, dateAndTime, UNKNOWN } from "./format.js";
import { Metrics } from "./metrics.js";
import { ledgerWords, Queues, TURN_EVERY } from "./queues.js";
import { channelName, speak, spoken, word } from "./words.js";

const WINDOWS = ["5m", "15m", "30m", "60m", "today"];
const TREND_EVERY = 60_000;
const QUARTER = 900_000;
const TREND_SPAN = 12 * 3_600_000;
const WEEK = 7 * 86_400_000;
const root = document.documentElement;
const asked = new URLSearchParams(location.search);

const memory = {
  get: (key) => { try { return localStorage.getItem(`centralita.${key}`); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(`centralita.${key}`, value); } catch { /* private window */ } },
};

let chosen = [asked.get("window"), memory.get("window"), "30m"].find((name) => WINDOWS.includes(name));
let snapshot = null;
let offset = 0;
let feed = { state: "connecting" };
let trueAt = null;

const definitions = new Definitions();
const explain = (metric, tile) => snapshot && definitions.show(metric, tile, snapshot);
const metrics = new Metrics(byId("metrics"), explain);
const queues = new Queues(byId("queues"), explain);
const agents = new Agents(byId("states"));
const announcer = new Announcer(byId("announcer"));

function now() {
  return Date.now() + offset;
}

/** What is asked for: these parameters, and the channel and queue that the page's address names. */
function question(parameters) {
  const query = new URLSearchParams(parameters);
  for (const name of ["channel", "queue"]) if (asked.get(name)) query.set(name, asked.get(name));
  return query;
}

function streamUrl() {
  return `/api/v1/stream?${question({ window: chosen })}`;
}

const connection = new Connection(streamUrl(), {
  snapshot(received) {
    snapshot = received;
    beat(received);
    render();
  },
  beat,
  lost() {
    feed = { ...feed, state: "lost" };
    render();
  },
});

function beat(received) {
  offset = received.now - Date.now();
  const before = feed.state;
  feed = received.feed;
  if (feed.state === "live") trueAt = received.now;
  if (before !== feed.state) render();
  else status();
}

function render() {
  const quiet = feed.state !== "live";
  document.body.dataset.feed = feed.state;
  status();
  if (!snapshot) return;
  metrics.update(snapshot, quiet);
  queues.update(snapshot, quiet);
  agents.update(snapshot, quiet);
  announcer.hear(snapshot, quiet);
  channels();
  foot();
  tick();
}

function status() {
  const zone = snapshot?.zone;
  write(byId("state-word"), word(`feed_${feed.state}`));
  write(byId("as-of"), timeOfDay(feed.state === "behind" ? snapshot?.watermark : trueAt, zone));
  const banner = byId("banner");
  mark(banner, "hidden", feed.state === "live" ? "" : null);
  if (feed.state === "live") return;
  const time = feed.state === "behind" ? dateAndTime(snapshot?.watermark, zone) : timeOfDay(trueAt ?? snapshot?.watermark, zone);
  const values = { time, n: count(feed.state === "behind" ? feed.behind : feed.loaded ?? 0) };
  const known = trueAt != null || feed.state !== "lost";
  const state = known ? feed.state : "connecting";
  if (byId("banner-title").textContent !== word(`${state}_title`)) write(byId("announcer"), word(`${state}_title`));
  write(byId("banner-title"), word(`${state}_title`));
  write(byId("banner-text"), word(`${state}_text`, values));
}

function foot() {
  const { ledger } = snapshot.total;
  const sum = ledger ? `${count(ledger.waiting_start)} + ${count(ledger.entered)} = ${[ledger.answered, ledger.abandoned, ledger.flowed_out, ledger.waiting_end].map(count).join(" + ")}` : UNKNOWN;
  byId("foot-ledger").replaceChildren(make("strong", {}, word("ledger")), ` ${sum} `, make("span", {}, ledgerWords()));
  mark(byId("foot-ledger"), "data-balanced", ledger ? String(ledger.balanced) : null);
  const { counted, duplicate, refused } = snapshot.events;
  const parts = [
    `${word("watermark")} ${dateAndTime(snapshot.watermark, snapshot.zone)}`,
    `${word("zone")} ${snapshot.zone}`,
    `${count(counted)} ${word("counted")}`, `${count(duplicate)} ${word("duplicates")}`, `${count(refused)} ${word("refused")}`,
  ];
  write(byId("foot-data"), parts.join(" · "));
}

function tick() {
  if (!snapshot || feed.state !== "live") return;
  const instant = now();
  metrics.tick(instant);
  queues.tick(instant);
  agents.tick(instant);
}

let lastWeek = { rows: [], end: null };

async function trends() {
  try {
    const end = Math.ceil(now() / QUARTER) * QUARTER;
    const rows = await quarters(end);
    metrics.trends(rows, lastWeek.rows);
    if (lastWeek.end === end) return;
    lastWeek = { rows: await quarters(end - WEEK), end };
    metrics.trends(rows, lastWeek.rows);
  } catch { /* the next minute tries again */ }
}

/** The rows of the quarters of an hour up to `end`. */
async function quarters(end) {
  const [from, to] = [end - TREND_SPAN, end].map((time) => new Date(time).toISOString());
  return (await ask(`/api/v1/kpis?${question({ from, to, every: "15m" })}`)).rows;
}

async function ask(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/** Names and formulas come from the registry; without them, ids are shown. */
function define() {
  definitions.load().then(render).catch(() => setTimeout(define, 5000));
}

// --- what the reader chooses ---

function words() {
  root.lang = spoken();
  for (const node of document.querySelectorAll("[data-word]")) write(node, word(node.dataset.word));
  write(byId("language"), word("language_short"));
  mark(byId("language"), "aria-label", word("language"));
  mark(byId("language"), "title", word("language"));
  mark(byId("full"), "aria-label", word("full"));
  mark(byId("full"), "title", word("full"));
  const next = word(theme() === "dark" ? "light" : "dark");
  mark(byId("theme"), "aria-label", next);
  mark(byId("theme"), "title", next);
  for (const label of byId("windows").querySelectorAll("label span")) write(label, word(`w_${label.dataset.window}`));
}

function theme() {
  return root.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
}

function windows() {
  for (const name of WINDOWS) {
    const input = make("input", { type: "radio", name: "window", value: name });
    input.checked = name === chosen;
    input.addEventListener("change", () => {
      chosen = name;
      memory.set("window", name);
      connection.open(streamUrl());
    });
    byId("windows").append(make("label", {}, input, make("span", { "data-window": name })));
  }
}

/** The channels that there are; the one chosen stays in the page's address. */
function channels() {
  const select = byId("channel");
  const names = snapshot.channels;
  mark(select, "hidden", names.length > 1 ? null : "");
  mark(select, "aria-label", word("channel"));
  if (select.options.length !== names.length + 1)
    select.replaceChildren(make("option", { value: "" }), ...names.map((name) => make("option", { value: name })));
  for (const option of select.options) write(option, option.value ? channelName(option.value) : word("all_channels"));
  const channel = asked.get("channel") ?? "";
  if (select.value !== channel) select.value = channel;
}

function television(on) {
  root.classList.toggle("tv", on);
  queues.turn(0);
}

byId("channel").addEventListener("change", ({ target }) => {
  if (target.value) asked.set("channel", target.value);
  else asked.delete("channel");
  history.replaceState(null, "", `?${asked}`);
  lastWeek = { rows: [], end: null };
  connection.open(streamUrl());
  trends();
});
byId("language").addEventListener("click", () => {
  speak(spoken() === "es" ? "en" : "es");
  memory.set("language", spoken());
  write(byId("announcer"), "");
  words();
  render();
});
byId("theme").addEventListener("click", () => {
  root.dataset.theme = theme() === "dark" ? "light" : "dark";
  memory.set("theme", root.dataset.theme);
  words();
});
byId("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen?.().catch(() => television(true));
});
document.addEventListener("fullscreenchange", () => television(Boolean(document.fullscreenElement) || asked.has("tv")));

speak(asked.get("language") ?? memory.get("language") ?? root.dataset.language);
const wanted = asked.get("theme") ?? memory.get("theme");
if (wanted === "dark" || wanted === "light") root.dataset.theme = wanted;
windows();
words();
status();
television(asked.has("tv"));
define();
addEventListener("resize", () => queues.turn(0));
setInterval(tick, 500);
setInterval(() => queues.turn(1), TURN_EVERY);
setInterval(trends, TREND_EVERY);
setTimeout(trends, 1500);
