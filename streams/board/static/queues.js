// One tile a queue; those in alarm come first. Tiles are kept and changed in place, so a tab open for days does not grow.

import { clock, count, duration, figure, percent, timeOfDay, UNKNOWN } from "./format.js";
import { byId, icon, make, mark, write } from "./dom.js";
import { badge, RANK, worst } from "./alarm.js";
import { channelName, has, named, word } from "./words.js";

const PAGE_SECONDS = 12;

export class Queues {
  constructor(list, explain) {
    this.list = list;
    this.explain = explain;
    this.tiles = new Map();
    this.page = 0;
  }

  update(snapshot, quiet) {
    const alive = new Set();
    for (const data of snapshot.queues) {
      const key = `${data.channel}\n${data.queue}`;
      alive.add(key);
      if (!this.tiles.has(key)) this.tiles.set(key, new Tile(this.explain));
      this.tiles.get(key).update(data, snapshot, quiet);
    }
    for (const [key, tile] of this.tiles) {
      if (!alive.has(key)) {
        tile.node.remove();
        this.tiles.delete(key);
      }
    }
    this.order();
    mark(this.list, "data-many", this.tiles.size > 24 ? "very" : this.tiles.size > 12 ? "yes" : null);
    mark(this.list, "data-some", this.tiles.size > 9 && this.tiles.size <= 12);
    mark(this.list, "data-few", this.tiles.size <= 6);
    write(byId("queues-count"), count(this.tiles.size));
    mark(byId("empty"), "hidden", this.tiles.size ? "" : null);
    this.turn(0);
  }

  order() {
    const wanted = [...this.tiles.values()].sort(
      (a, b) => b.rank - a.rank || a.name.localeCompare(b.name, undefined, { numeric: true }) || a.channel.localeCompare(b.channel),
    );
    const moved = wanted.some((tile, index) => this.list.children[index] !== tile.node);
    if (!moved) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const places = calm ? null : new Map(wanted.map((tile) => [tile, tile.node.isConnected ? tile.node.getBoundingClientRect() : null]));
    const focused = document.activeElement;
    this.list.append(...wanted.map((tile) => tile.node));
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
    if (places) for (const [tile, from] of places) slide(tile.node, from);
  }

  tick(now) {
    for (const tile of this.tiles.values()) tile.tick(now);
  }

  /** On a television nobody scrolls: alarms stay, the other tiles take turns. */
  turn(step = 1) {
    const nodes = [...this.list.children];
    const tv = document.documentElement.classList.contains("tv");
    nodes.forEach((node) => (node.hidden = false));
    const fit = tv ? this.room(nodes) : nodes.length;
    const pages = Math.max(1, Math.ceil(nodes.length / Math.max(1, fit)));
    if (pages > 1) {
      const pinned = nodes.filter((node) => node.dataset.level === "action").slice(0, Math.floor(fit / 2));
      const others = nodes.filter((node) => !pinned.includes(node));
      const turns = Math.ceil(others.length / (fit - pinned.length));
      this.page = (this.page + step) % turns;
      const from = Math.min(this.page * (fit - pinned.length), others.length - (fit - pinned.length));
      const shown = new Set([...pinned, ...others.slice(from, from + fit - pinned.length)]);
      nodes.forEach((node) => (node.hidden = !shown.has(node)));
      write(byId("pages"), word("page", { n: this.page + 1, m: turns }));
    } else {
      this.page = 0;
      write(byId("pages"), "");
    }
  }

  room(nodes) {
    if (!nodes.length) return 1;
    const style = getComputedStyle(this.list);
    const columns = style.gridTemplateColumns.split(" ").length;
    const gap = parseFloat(style.rowGap) || 0;
    const height = Math.max(...nodes.slice(0, columns).map((node) => node.offsetHeight));
    const rows = Math.max(1, Math.floor((this.list.clientHeight + gap) / (height + gap)));
    return rows * columns;
  }
}

export const TURN_EVERY = PAGE_SECONDS * 1000;

function slide(node, from) {
  if (!from || !node.animate) return;
  const to = node.getBoundingClientRect();
  const [x, y] = [from.left - to.left, from.top - to.top];
  if (!x && !y) return;
  node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: 350, easing: "cubic-bezier(.2,.8,.2,1)" });
}

class Tile {
  constructor(explain) {
    this.title = make("h3");
    this.channelTag = make("span.tag");
    this.badge = make("span.badge");
    this.about = make("button.about", { type: "button" }, icon("about"));
    this.about.addEventListener("click", () => explain("service_level", this.data));
    this.big = { waiting: new Big("waiting"), longest_wait: new Big("longest_wait"), service_level: new Big("service_level") };
    this.fill = make("span.fill");
    this.goal = make("span.goal");
    this.meter = make("div.meter", { "aria-hidden": "true" }, this.fill, this.goal);
    this.small = Object.fromEntries(["abandonment_rate", "average_speed_of_answer", "answered"].map((metric) => [metric, new Small(metric)]));
    this.ledger = make("span.sum");
    this.fresh = make("span.fresh");
    this.node = make(
      "li.tile", {},
      make("header", {}, this.title, this.badge, this.channelTag, this.about),
      make("dl.bigs", {}, ...Object.values(this.big).map((part) => part.node)),
      this.meter,
      make("dl.smalls", {}, ...Object.values(this.small).map((part) => part.node)),
      make("p.bottom", {}, this.ledger, this.fresh),
    );
  }

  update(data, snapshot, quiet) {
    this.data = data;
    this.quiet = quiet;
    this.name = data.queue;
    this.channel = data.channel ?? "";
    const alarms = quiet ? {} : data.alarms;
    const level = worst(alarms);
    this.rank = RANK[level] ?? 0;
    write(this.title, data.queue);
    mark(this.title, "title", data.queue);
    mark(this.node, "data-queue", data.queue);
    mark(this.node, "data-channel", data.channel);
    mark(this.node, "data-level", level);
    mark(this.channelTag, "hidden", snapshot.channels.length > 1 ? null : "");
    write(this.channelTag, channelName(data.channel ?? ""));
    mark(this.about, "aria-label", word("about", { name: `${named("service_level")}, ${data.queue}` }));
    badge(this.badge, level);
    this.figures(data, snapshot, quiet, alarms);
    this.sum(data);
    this.freshness(data, snapshot);
  }

  figures(data, snapshot, quiet, alarms) {
    const level = data.kpis.service_level;
    this.since = quiet ? null : data.longest;
    this.big.waiting.set(quiet ? null : data.waiting, quiet ? UNKNOWN : count(data.waiting), alarms.waiting);
    const longest = this.since != null ? (snapshot.now - this.since) / 1000 : null;
    this.big.longest_wait.set(this.since, clock(longest), alarms.longest_wait);
    this.big.service_level.set(level?.value, percent(level?.value, 0), alarms.service_level);
    this.meter.style.setProperty("--part", level?.value ?? 0);
    this.meter.style.setProperty("--goal", data.policy.target);
    mark(this.meter, "data-level", alarms.service_level ?? meterLevel(level?.value, data.goals.service_level));
    mark(this.goal, "hidden", data.goals.service_level ? null : "");
    const { abandonment_rate: rate, average_speed_of_answer: speed } = data.kpis;
    this.small.abandonment_rate.set(rate?.value, figure(rate?.value, "ratio", 1), alarms.abandonment_rate);
    this.small.average_speed_of_answer.set(speed?.value, duration(speed?.value), alarms.average_speed_of_answer);
    this.small.answered.set(data.kpis.answered?.value, `${count(data.kpis.answered?.value)} / ${count(data.kpis.entered?.value)}`);
  }

  sum({ ledger }) {
    const { waiting_start: before, entered, answered, abandoned, flowed_out: flowed, waiting_end: after } = ledger ?? {};
    write(this.ledger, ledger ? `${count(before)} + ${count(entered)} = ${[answered, abandoned, flowed, after].map(count).join(" + ")}` : UNKNOWN);
    mark(this.ledger, "title", ledgerWords());
    mark(this.ledger, "data-balanced", ledger ? String(ledger.balanced) : null);
  }

  freshness(data, snapshot) {
    write(this.fresh, data.last_event == null ? word("never") : timeOfDay(data.last_event, snapshot.zone));
    mark(this.fresh, "title", data.last_event == null ? null : word("last_event", { time: timeOfDay(data.last_event, snapshot.zone) }));
  }

  tick(now) {
    if (this.since != null) this.big.longest_wait.text(clock((now - this.since) / 1000));
  }
}

/** Green is what has reached its goal; what has none, or is below it with too few to alarm, is neither good nor bad. */
function meterLevel(value, goal) {
  if (value == null) return "none";
  return goal && value >= goal.target ? null : "neutral";
}

export function ledgerWords() {
  const [entered, ...left] = ["entered", "answered", "abandoned", "flowed_out"].map((id) => named(id).toLowerCase());
  return `${word("ledger_start")} + ${entered} = ${[...left, word("ledger_end")].join(" + ")}`;
}

class Part {
  constructor(metric, selector) {
    this.metric = metric;
    this.term = make("dt");
    this.value = make("dd", { "data-metric": metric });
    this.node = make(selector, {}, this.term, this.value);
  }

  set(value, text, level) {
    write(this.term, has(SHORT[this.metric]) ? word(SHORT[this.metric]) : named(this.metric));
    mark(this.term, "title", this.metric === "answered" ? word("answered_of_entered") : named(this.metric));
    mark(this.value, "data-value", value ?? null);
    mark(this.node, "data-level", level ?? null);
    this.text(text);
  }

  text(text) {
    write(this.value, text.replace("\u00a0", "\u202f"));
    mark(this.value, "data-long", text.length > 6 ? "very" : text.length > 4 || text.startsWith("100") ? "yes" : null);
  }
}

class Big extends Part {
  constructor(metric) {
    super(metric, "div.big");
  }
}

const SHORT = { waiting: "tile_waiting", longest_wait: "tile_longest", service_level: "tile_service", abandonment_rate: "tile_abandonment", average_speed_of_answer: "tile_asa" };

class Small extends Part {
  constructor(metric) {
    super(metric, "div.small");
  }
}
