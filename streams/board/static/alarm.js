// Two levels, told by icon, word, weight and place; colour only adds to it.

import { icon, make, mark } from "./dom.js";
import { named, word } from "./words.js";

export const RANK = { action: 2, attention: 1 };

export function worst(alarms) {
  return Object.values(alarms).reduce((seen, level) => (RANK[level] > (RANK[seen] ?? 0) ? level : seen), null);
}

export function badge(node, level) {
  mark(node, "hidden", level ? null : "");
  const key = level ? `${level} ${word(level)}` : "";
  if (node.dataset.shown === key) return;
  node.dataset.shown = key;
  mark(node, "data-level", level ?? null);
  node.replaceChildren(...(level ? [icon(level), make("span", {}, word(level))] : []));
}

/** Says each change of level once, for those who listen instead of look. */
export class Announcer {
  constructor(node) {
    this.node = node;
    this.known = new Map();
  }

  hear(snapshot, quiet) {
    if (quiet) return;
    const news = [];
    for (const tile of snapshot.queues) {
      for (const [metric, level] of Object.entries(tile.alarms)) {
        if (this.known.get(`${tile.channel} ${tile.queue} ${metric}`) !== level)
          news.push(word("announce_alarm", { queue: tile.queue, metric: named(metric), level: word(level) }));
      }
    }
    this.known = new Map(
      snapshot.queues.flatMap((tile) => Object.entries(tile.alarms).map(([metric, level]) => [`${tile.channel} ${tile.queue} ${metric}`, level])),
    );
    if (news.length) this.node.textContent = news.slice(0, 5).join(". ");
  }
}
