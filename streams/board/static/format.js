// Numbers and times as the reader's country writes them. What is unknown is "--", never 0.

import { spoken } from "./words.js";

export const UNKNOWN = "--";

const kept = new Map();

function locale() {
  const own = navigator.language || "";
  return own.toLowerCase().startsWith(spoken()) ? own : spoken();
}

function formatter(kind, name, options) {
  const key = `${locale()} ${name}`;
  if (!kept.has(key)) {
    if (kept.size > 64) kept.clear();
    kept.set(key, new kind(locale(), options));
  }
  return kept.get(key);
}

export function count(value) {
  return value == null ? UNKNOWN : formatter(Intl.NumberFormat, "count", { maximumFractionDigits: 0 }).format(value);
}

export function number(value) {
  return value == null ? UNKNOWN : formatter(Intl.NumberFormat, "number", { maximumFractionDigits: 2 }).format(value);
}

export function percent(value, digits = 1) {
  if (value == null) return UNKNOWN;
  return formatter(Intl.NumberFormat, `percent${digits}`, { style: "percent", maximumFractionDigits: digits }).format(value);
}

/** 42 s, 1:42, 1:02:03 */
export function duration(seconds) {
  if (seconds == null) return UNKNOWN;
  return seconds < 59.5 ? `${Math.round(seconds)}\u202fs` : clock(seconds);
}

/** 0:42, 1:42, 1:02:03, for what ticks */
export function clock(seconds) {
  if (seconds == null) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  if (whole >= 864000) return `${count(Math.floor(whole / 86400))}\u202fd`;
  const pad = (part) => String(part).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

export function timeOfDay(milliseconds, zone) {
  if (milliseconds == null) return UNKNOWN;
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
  return formatter(Intl.DateTimeFormat, `time ${zone}`, options).format(milliseconds);
}

export function dateAndTime(milliseconds, zone) {
  if (milliseconds == null) return UNKNOWN;
  return formatter(Intl.DateTimeFormat, `date ${zone}`, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23", timeZone: zone }).format(milliseconds);
}

export function figure(value, unit, digits) {
  if (unit === "ratio") return percent(value, digits);
  if (unit === "s") return duration(value);
  return unit === "count" ? count(value) : number(value);
}
