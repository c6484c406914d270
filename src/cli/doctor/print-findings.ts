import { shownText } from "../../shown-text.ts";
import type { Paint, Style } from "../style.ts";
import { wrapText } from "../text-width.ts";
import type { GroupedFinding, Severity } from "./finding.ts";

const PAINTS: Readonly<Record<Severity, Paint>> = { error: "bad", warning: "doubtful", note: "dim" };
/** How many places of a finding are shown; JSON has all. */
const MOST_SHOWN = 8;
const INDENT = 9;
/** The width of a line where there is no terminal, and the most that is used of a wide one. */
const WIDTH = 100, LEAST_WIDTH = 40;
/** No finding is longer. */
const LONGEST = 2_000;

/** Findings as text: what is wrong, where, and what to do. */
export function findingLines(
  findings: readonly GroupedFinding[],
  style: Style,
  columns: number = WIDTH,
): readonly string[] {
  const width = Math.max(LEAST_WIDTH, Math.min(columns, WIDTH)) - INDENT;
  return findings.flatMap(({ severity, what, where, next }) => {
    const more = where.length - MOST_SHOWN;
    const places = [...where.slice(0, MOST_SHOWN), ...more > 0 ? [`and ${more} more`] : []];
    const [first = "", ...rest] = wrapText(shownText(what, LONGEST), width);
    const indented = (text: string) => " ".repeat(INDENT) + text;
    return [
      `${style(PAINTS[severity], severity.padEnd(INDENT))}${style("bold", first)}`,
      ...rest.map((line) => indented(style("bold", line))),
      ...places.map((place) => indented(shownText(place, LONGEST))),
      ...wrapText(`→ ${shownText(next, LONGEST)}`, width).map((line, i) => indented(i === 0 ? line : `  ${line}`)),
      "",
    ];
  });
}

/** How many there are of each severity: `2 errors, 1 warning`. */
export function summaryText(findings: readonly GroupedFinding[]): string {
  const counts = (["error", "warning", "note"] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? "" : "s"}`];
  });
  return counts.length === 0 ? "nothing wrong found" : counts.join(", ");
}
