// What a figure means: formula, numerator, denominator, sample, threshold, crediting, zone, version, from the one registry.

import { count, duration, figure, number } from "./format.js";
import { byId, make, mark, write } from "./dom.js";
import { learn, named, spoken, word } from "./words.js";

const TILE = ["service_level", "abandonment_rate", "average_speed_of_answer", "handle_time", "entered", "answered", "abandoned", "flowed_out"];
const NOW = { waiting: "waiting_formula", longest_wait: "longest_formula", agents_available: "agents_formula" };

export class Definitions {
  constructor() {
    this.dialog = byId("definition");
    this.kpis = new Map();
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  async load() {
    const answer = await fetch("/api/v1/definitions");
    if (!answer.ok) throw new Error(String(answer.status));
    const body = await answer.json();
    this.kpis = new Map(body.kpis.map((kpi) => [kpi.id, kpi]));
    learn(body.kpis);
  }

  async show(metric, tile, snapshot) {
    if (!this.kpis.size) await this.load().catch(() => {});
    const data = tile ?? snapshot.total;
    mark(byId("definition-close"), "aria-label", word("close"));
    write(byId("definition-of"), tile ? word("definition") : `${word("total")} · ${word("definition")}`);
    write(byId("definition-title"), tile ? tile.queue : named(metric));
    const wanted = tile ? TILE : [metric];
    byId("definition-body").replaceChildren(...wanted.map((id) => this.section(id, data, snapshot, Boolean(tile))), ...(tile ? [ledger(tile)] : []));
    this.dialog.showModal();
  }

  section(id, data, snapshot, titled) {
    const kpi = this.kpis.get(id);
    const shown = data.kpis[id];
    // The service level is one of eight: the queue's policy says which.
    const formula = id === "service_level" ? this.kpis.get(`${id}_${data.policy.formula.toLowerCase()}`) ?? kpi : kpi;
    const rows = [
      [word("formula"), NOW[id] ? word(NOW[id]) : inWords(formula, "formula"), "code"],
      [word("numerator"), part(formula?.numerator, shown?.numerator)],
      [word("denominator"), part(formula?.denominator, shown?.denominator)],
      [word("threshold"), id.startsWith("service_level") ? `${threshold(data)} (${data.policy.formula})` : null],
      [word("short"), id.startsWith("abandonment") ? duration(data.policy.short_abandon) : null],
      [word("levels"), levels(data.goals[id])],
      [word("crediting"), word(`credit_${NOW[id] ? "now" : kpi?.crediting}`)],
      [word("excluded"), inWords(kpi, "exclusions")],
      [word("bots"), word("bots_text")],
      [word("zone"), data.policy.zone],
      [word("status"), shown?.status ? word(`status_${shown.status}`) : null],
      [word("version"), kpi?.version != null ? String(kpi.version) : null],
    ].filter(([, text]) => text);
    return make(
      "section", {},
      make("h3", {}, titled ? named(id) : "", make("span.shown", {}, shown ? figure(shown.value, shown.unit, 2) : "")),
      make("dl", {}, ...rows.map(([term, text, kind]) => make("div", {}, make("dt", {}, term), make("dd", {}, kind ? make(kind, {}, text) : text)))),
    );
  }
}

/** "20 s", "4:00:00" of tickets, or both where both are in the figure and differ. */
function threshold({ channel, policy }) {
  const [here, tickets] = [duration(policy.threshold), duration(policy.threshold_tickets)];
  if (channel) return ["call", "chat"].includes(channel) ? here : tickets;
  return here === tickets ? here : `${here}, ${word("of_tickets")} ${tickets}`;
}

/** A text of a definition in the language spoken; the registry has each of them in both. */
function inWords(kpi, field) {
  return spoken() === "es" ? kpi?.[`${field}_es`] : kpi?.[field];
}

/** "answered_within = 86": the measures that are added up, and their sum now */
function part(terms, sum) {
  const names = Object.entries(terms ?? {}).map(([name, times], index) => `${times < 0 ? "− " : index ? "+ " : ""}${name}`).join(" ");
  return [names, sum == null ? "" : number(sum)].filter(Boolean).join(" = ");
}

function levels(goal) {
  if (!goal) return null;
  const sign = goal.better === "higher" ? "<" : ">";
  return `${word("attention")} ${sign} ${figure(goal.attention, goal.unit, 1)} · ${word("action")} ${sign} ${figure(goal.action, goal.unit, 1)}`;
}

function ledger({ ledger: sum }) {
  if (!sum) return make("section");
  const parts = [
    [word("ledger_start"), "waiting_start"], ...["entered", "answered", "abandoned", "flowed_out"].map((id) => [named(id), id]), [word("ledger_end"), "waiting_end"],
  ];
  return make("section", {}, make("h3", {}, word("ledger")), make("dl", {}, ...parts.map(([name, key]) => make("div", {}, make("dt", {}, name), make("dd", {}, count(sum[key]))))));
}
