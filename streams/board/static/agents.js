// Agents by state, the longest in their state first.

import { clock, count, UNKNOWN } from "./format.js";
import { byId, make, mark, write } from "./dom.js";
import { has, word } from "./words.js";

const laptop = matchMedia("(min-width: 901px) and (max-height: 860px)"); // as in board.css
const STATES = ["available", "busy", "wrap_up", "paused", "offline"];
const SHOWN = { available: 3, busy: 4, wrap_up: 2, paused: 2, offline: 0 };
const SHOWN_ON_LAPTOP = { available: 2, busy: 3, wrap_up: 1, paused: 2, offline: 0 };
const SHOWN_ON_TV = { available: 3, busy: 5, wrap_up: 2, paused: 3, offline: 0 };

export class Agents {
  constructor(room) {
    this.groups = new Map(STATES.map((state) => [state, new Group(state)]));
    room.append(...[...this.groups.values()].map((group) => group.node));
  }

  update(snapshot, quiet) {
    for (const [state, group] of this.groups) {
      group.update(snapshot.agents.filter((agent) => agent.state === state), quiet);
    }
    write(byId("agents-count"), quiet ? UNKNOWN : count(snapshot.signed_in));
    mark(byId("no-agents"), "hidden", snapshot.agents.length ? "" : null);
    mark(byId("states"), "hidden", snapshot.agents.length ? null : "");
  }

  tick(now) {
    for (const group of this.groups.values()) group.tick(now);
  }
}

class Group {
  constructor(state) {
    this.state = state;
    this.open = false;
    this.title = make("h3");
    this.number = make("output.number", { "data-state": state });
    this.list = make("ul");
    this.more = make("button.more", { type: "button", "aria-expanded": "false" });
    this.more.addEventListener("click", () => {
      this.open = !this.open;
      mark(this.more, "aria-expanded", String(this.open));
      this.fill();
    });
    this.node = make("section.state-group", { "data-state": state }, make("header", {}, make("span.lamp", { "aria-hidden": "true" }), this.title, this.number), this.list, this.more);
    this.lines = [];
  }

  update(agents, quiet) {
    this.agents = agents.sort((a, b) => a.since - b.since || a.agent.localeCompare(b.agent));
    this.quiet = quiet;
    write(this.title, word(`state_${this.state}`));
    write(this.number, quiet ? UNKNOWN : count(agents.length));
    mark(this.node, "data-none", agents.length === 0);
    this.fill();
  }

  fill() {
    const limit = this.open ? 200 : limits()[this.state];
    const shown = this.quiet ? [] : this.agents.slice(0, limit);
    while (this.lines.length > shown.length) this.lines.pop().node.remove();
    while (this.lines.length < shown.length) {
      const line = new Line();
      this.lines.push(line);
      this.list.append(line.node);
    }
    shown.forEach((agent, index) => this.lines[index].update(agent));
    const hidden = this.agents.length - shown.length;
    mark(this.more, "hidden", !this.quiet && (hidden > 0 || this.open) ? null : "");
    write(this.more, hidden > 0 ? word("more", { n: count(hidden) }) : word("fewer"));
    if (this.now) this.tick(this.now);
  }

  tick(now) {
    this.now = now;
    for (const line of this.lines) line.tick(now);
  }
}

function limits() {
  if (laptop.matches) return SHOWN_ON_LAPTOP;
  return document.documentElement.classList.contains("tv") ? SHOWN_ON_TV : SHOWN;
}

class Line {
  constructor() {
    this.name = make("span.name");
    this.reason = make("span.reason");
    this.time = make("span.time");
    this.node = make("li", {}, this.name, this.reason, this.time);
  }

  update(agent) {
    this.since = agent.since;
    write(this.name, agent.agent);
    mark(this.name, "title", agent.queues.length ? `${agent.agent}: ${agent.queues.join(", ")}` : agent.agent);
    const known = `reason_${agent.reason}`;
    write(this.reason, has(known) ? word(known) : (agent.reason ?? ""));
  }

  tick(now) {
    write(this.time, clock((now - this.since) / 1000));
  }
}
