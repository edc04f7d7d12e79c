// The six big figures on top: what has to be done right now.

import { clock, count, figure } from "./format.js";
import { icon, make, mark, write } from "./dom.js";
import { badge } from "./alarm.js";
import { Trend } from "./trend.js";
import { named, word } from "./words.js";

const LIVE = new Set(["waiting", "longest_wait", "agents_available"]);
export const BIG = ["waiting", "longest_wait", "service_level", "abandonment_rate", "average_speed_of_answer", "agents_available"];

export class Metrics {
  constructor(room, explain) {
    this.cards = new Map(BIG.map((metric) => [metric, new Card(metric, explain)]));
    room.append(...[...this.cards.values()].map((card) => card.node));
  }

  update(snapshot, quiet) {
    for (const card of this.cards.values()) card.update(snapshot, quiet);
  }

  tick(now) {
    this.cards.get("longest_wait").tick(now);
  }

  trends(today, lastWeek) {
    for (const card of this.cards.values()) card.trend?.draw(today, lastWeek);
  }
}

class Card {
  constructor(metric, explain) {
    this.metric = metric;
    this.label = make("h3");
    this.tag = make("span.tag");
    this.value = make("output.value", { "data-metric": metric });
    this.badge = make("span.badge");
    this.detail = make("span.detail");
    this.target = make("span.target");
    this.about = make("button.about", { type: "button" }, icon("about"));
    this.about.addEventListener("click", () => explain(metric, null));
    this.trend = LIVE.has(metric) ? null : new Trend(metric);
    this.node = make(
      "article.metric", { "data-card": metric },
      make("header", {}, this.label, this.about),
      make("div.figure", {}, this.value),
      make("p.under", {}, this.target, this.detail),
      make("div.strip", {}, this.tag, this.badge, this.trend?.node),
    );
  }

  update(snapshot, quiet) {
    const name = named(this.metric);
    write(this.label, name);
    write(this.tag, LIVE.has(this.metric) ? word("live") : word(`last_${snapshot.window.name}`));
    mark(this.tag, "data-live", LIVE.has(this.metric));
    mark(this.about, "aria-label", word("about", { name }));
    this.show(snapshot, quiet);
    const level = quiet ? null : snapshot.total.alarms[this.metric];
    mark(this.node, "data-level", level ?? null);
    badge(this.badge, level);
  }

  show(snapshot, quiet) {
    const { total } = snapshot;
    const goal = total.goals[this.metric];
    this.unknown = quiet && LIVE.has(this.metric);
    this.since = null;
    let [value, text, detail] = [null, null, ""];
    if (this.metric === "waiting") {
      [value, text] = [total.waiting, count(total.waiting)];
    } else if (this.metric === "longest_wait") {
      this.since = total.longest;
      value = total.longest;
      detail = total.waiting === 0 ? word("nobody") : "";
      text = this.since == null ? clock(null) : clock((snapshot.now - this.since) / 1000);
    } else if (this.metric === "agents_available") {
      [value, text] = [snapshot.available, count(snapshot.available)];
      detail = word("of_agents", { n: count(snapshot.signed_in) });
    } else {
      const shown = total.kpis[this.metric];
      value = shown?.value;
      text = figure(value, shown?.unit ?? "ratio", 1);
      detail = shown?.denominator ? `${word("sample")} ${count(shown.denominator)}` : word("no_data");
    }
    mark(this.value, "data-value", this.unknown ? null : value);
    write(this.value, this.unknown ? "--" : text);
    mark(this.value, "data-long", this.value.textContent.length > 5);
    write(this.detail, this.unknown ? "" : detail);
    write(this.target, goal ? targetText(goal) : "");
  }

  tick(now) {
    if (this.since != null && !this.unknown) write(this.value, clock((now - this.since) / 1000));
  }
}

export function targetText(goal) {
  const sign = goal.better === "higher" ? "≥" : "≤";
  const each = goal.per_queue ? ` ${word("per_queue")}` : "";
  return `${word("target")} ${sign}\u00a0${figure(goal.target, goal.unit, 1)}${each}`;
}
