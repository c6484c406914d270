const whole = new Intl.NumberFormat("en");

/** `1,234`. */
export function count(value: number): string {
  return whole.format(Math.round(value));
}

/** Something per second: `1,234`, `12.3`, `0`. */
export function rate(value: number): string {
  if (value === 0) return "0";
  return value < 0.05 ? "<0.1" : value < 99.5 ? value.toFixed(1) : count(value);
}

/** A length of time: `0.42 ms`, `12 ms`, `3.4 s`, `5 min`; a dash if it is not known. */
export function duration(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 9.95) return `${ms.toFixed(ms < 0.995 ? 2 : 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 99_500) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** A length of time in whole seconds, for what counts up or down. */
export function seconds(ms: number): string {
  return ms < 99_500 ? `${Math.max(0, Math.round(ms / 1_000))} s` : duration(ms);
}

const clock = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** The time of day, here, of a moment in milliseconds since 1970. */
export function timeOfDay(atMs: number): string {
  return clock.format(atMs);
}

/** `1 endpoint`, `2 endpoints`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
