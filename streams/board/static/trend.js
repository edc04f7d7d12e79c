// A small line: the last hours in quarters, over the same hours a week ago.

import { make, mark, svg } from "./dom.js";
import { named, word } from "./words.js";

const [WIDTH, HEIGHT] = [240, 40];

export class Trend {
  constructor(metric) {
    this.metric = metric;
    this.before = svg("path", { class: "before" });
    this.today = svg("path", { class: "today" });
    this.last = svg("circle", { r: 3, class: "last" });
    this.drawing = svg("svg", { viewBox: `0 -4 ${WIDTH} ${HEIGHT + 8}`, preserveAspectRatio: "none", role: "img" });
    this.drawing.append(this.before, this.today);
    this.node = make("div.trend", { hidden: "" }, this.drawing);
  }

  draw(today, lastWeek) {
    const [now, then] = sinceTheFirst(values(today, this.metric), values(lastWeek, this.metric));
    const known = [...now, ...then].filter((value) => value != null);
    mark(this.node, "hidden", now.filter((value) => value != null).length > 1 ? null : "");
    mark(this.drawing, "aria-label", word("trend", { name: named(this.metric) }));
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const length = Math.max(now.length, then.length, 2);
    this.today.setAttribute("d", line(now, length, low, high));
    this.before.setAttribute("d", line(then, length, low, high));
  }
}

function values(rows, metric) {
  return rows.map((row) => row.kpis[metric]?.value ?? null);
}

/** Of a service that is two hours old, the two hours: nothing is drawn of the time before. */
function sinceTheFirst(...lines) {
  const firsts = lines.map((points) => points.findIndex((value) => value != null)).filter((index) => index >= 0);
  return lines.map((points) => points.slice(Math.min(...firsts)));
}

/** A gap where there is no value. */
function line(points, length, low, high) {
  let drawn = "";
  let pen = false;
  points.forEach((value, index) => {
    if (value == null) {
      pen = false;
      return;
    }
    const x = (index / (length - 1)) * WIDTH;
    const y = high > low ? HEIGHT - ((value - low) / (high - low)) * HEIGHT : HEIGHT / 2;
    drawn += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  });
  return drawn;
}
