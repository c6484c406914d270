import type { AttemptRow, CallRow } from "../state.ts";
import { element } from "./dom.ts";
import { duration } from "./format.ts";

/** A stretch of a call's time. */
interface Part {
  readonly kind: "wait" | "server" | "read" | "lost";
  readonly fromMs: number;
  readonly ms: number;
}

/** Where an attempt's time went: waiting for a connection, for the first byte, for the rest; or lost, if it failed. */
function partsOf({ fromMs, waitMs, firstByteMs, latencyMs, code }: AttemptRow, wholeMs: number): readonly Part[] {
  const parts: Part[] = [{ kind: "wait", fromMs: fromMs - waitMs, ms: waitMs }], tookMs = latencyMs ?? wholeMs - fromMs;
  if (code !== "OK") parts.push({ kind: "lost", fromMs, ms: tookMs });
  else {
    const first = Math.min(firstByteMs ?? tookMs, tookMs);
    parts.push({ kind: "server", fromMs, ms: first }, { kind: "read", fromMs: fromMs + first, ms: tookMs - first });
  }
  return parts.filter(({ ms }) => ms > 0);
}

/** Draws a call's attempts on one line; what nothing happened in is left blank. */
export function drawParts(bar: HTMLElement, call: CallRow): void {
  // A call never changes: the same one is drawn already.
  const key = `${call.startedMs} ${call.latencyMs} ${call.method}`;
  if (bar.dataset["call"] === key) return;
  bar.dataset["call"] = key;
  const { attempts, latencyMs } = call;
  const last = attempts.at(-1), endMs = last === undefined ? 0 : last.fromMs + (last.latencyMs ?? latencyMs);
  const parts = attempts.flatMap((attempt) => partsOf(attempt, latencyMs));
  if (endMs < latencyMs) parts.push({ kind: "wait", fromMs: endMs, ms: latencyMs - endMs });
  bar.replaceChildren(...parts.map((part) => drawn(part, latencyMs)));
}

function drawn({ kind, fromMs, ms }: Part, wholeMs: number): HTMLElement {
  const span = element("span", { class: kind });
  span.style.left = `${percent(fromMs, wholeMs)}%`;
  span.style.width = `${percent(ms, wholeMs)}%`;
  return span;
}

function percent(ms: number, wholeMs: number): number {
  return wholeMs <= 0 ? 0 : Math.min(100, Math.max(0, 100 * ms / wholeMs));
}

/** A call's attempts, one line each. */
export function attemptsTable(call: CallRow): HTMLElement {
  const { attempts, latencyMs, moreAttempts } = call;
  const head = ["Attempt", "Endpoint", "From", "Waited", "First byte", "Took", "Result", "When"];
  const table = element("table", { "aria-label": "Attempts" });
  table.append(element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))));
  const rows = attempts.map((attempt) => {
    const { address, number, hedge, fromMs, waitMs, firstByteMs, latencyMs: tookMs } = attempt;
    const bar = element("div", { class: "bar" }, ...partsOf(attempt, latencyMs).map((part) => drawn(part, latencyMs)));
    const texts = [address, duration(fromMs), duration(waitMs), duration(firstByteMs), duration(tookMs)];
    const result = resultOf(attempt);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, `${number}${hedge ? ", hedge" : ""}`),
      ...texts.map((text, i) => element("td", { class: i === 0 ? "" : "number" }, text)),
      element("td", { title: result }, result),
      element("td", { class: "parts" }, bar),
    );
  });
  table.append(element("tbody", {}, ...rows));
  const more = moreAttempts > 0 ? [element("p", {}, `And ${moreAttempts} more, before the last.`)] : [];
  return element("div", {}, element("div", { class: "scroll" }, table), ...more);
}

function resultOf({ code, end, error }: AttemptRow): string {
  if (code === null) return "still in flight";
  if (code === "OK") return code;
  return `${code}, ${end}${error === null ? "" : `: ${error}`}`;
}
