import { failedShare, type FleetRow } from "./row.ts";
import type { Shape } from "./model/shape.ts";

const BAR = 20, GAP = 34, LEFT = 190, WIDTH = 860, PLOT = WIDTH - LEFT - 150, TOP = 62;
const HIGHLIGHTED = "#2563eb", OTHER = "#9ca3af";

/** A group of bars. */
interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

interface Bar {
  readonly name: string;
  /** Where it begins and ends, and where its mark is, from 0 to 1. */
  readonly from: number;
  readonly to: number;
  readonly mark?: number;
  readonly label: string;
}

/** How long calls take with each policy: from the median to p99.9, with a mark at p99, on a logarithmic scale. */
export function latencyChart(rows: readonly FleetRow[], shapes: readonly Shape[]): string {
  const leastMs = 5, mostMs = 10_000;
  const at = (ms: number) => Math.min(1, Math.max(0, Math.log(ms / leastMs) / Math.log(mostMs / leastMs)));
  const groups = groupsOf(rows, shapes, (row) => ({
    name: row.contender,
    from: at(row.p50Ms),
    to: at(row.p999Ms),
    mark: at(row.p99Ms),
    label: [row.p50Ms, row.p99Ms, row.p999Ms].map((ms) => Math.round(ms).toLocaleString("en")).join(" / "),
  }));
  const ticks = [10, 100, 1_000, 10_000].map((ms) => ({ at: at(ms), label: `${ms.toLocaleString("en")} ms` }));
  return svg("Latency by policy: p50 to p99.9, with a mark at p99", groups, ticks);
}

/** The share of calls that fail with each policy. */
export function failedChart(rows: readonly FleetRow[], shapes: readonly Shape[]): string {
  const shown = shapes.filter(({ idempotent }) => idempotent === false);
  const most = Math.max(1e-4, ...rows.filter((row) => shown.some(({ name }) => name === row.shape)).map(failedShare));
  const groups = groupsOf(rows, shown, (row) => ({
    name: row.contender,
    from: 0,
    to: failedShare(row) / most,
    label: `${(100 * failedShare(row)).toFixed(2)} %`,
  })).map(({ title, bars }) => ({ title, bars: bars.filter(({ name }) => !name.includes(":")) }));
  return svg("Failed calls, without retries", groups, []);
}

function groupsOf(rows: readonly FleetRow[], shapes: readonly Shape[], bar: (row: FleetRow) => Bar): Group[] {
  return shapes.flatMap(({ name, title }) => {
    const bars = rows.filter((row) => row.shape === name).map(bar);
    return bars.length === 0 ? [] : [{ title, bars }];
  });
}

interface Tick {
  readonly at: number;
  readonly label: string;
}

/** Horizontal bars as SVG that reads on light and dark grounds. */
function svg(title: string, groups: readonly Group[], ticks: readonly Tick[]): string {
  const parts: string[] = [];
  let y = TOP;
  for (const group of groups) {
    parts.push(`<text x="12" y="${y}" font-weight="bold">${group.title}</text>`);
    y += 8;
    for (const { name, from, to, mark, label } of group.bars) {
      const x = LEFT + from * PLOT, width = Math.max(1, (to - from) * PLOT);
      const colour = name.startsWith("prequal") || name === "defaults" ? HIGHLIGHTED : OTHER;
      parts.push(
        `<text x="${LEFT - 8}" y="${y + 15}" text-anchor="end">${name}</text>`,
        `<rect x="${round(x)}" y="${y + 3}" width="${round(width)}" height="${BAR - 6}" fill="${colour}"/>`,
      );
      if (mark !== undefined) {
        parts.push(`<rect x="${round(LEFT + mark * PLOT - 1.5)}" y="${y + 1}" width="3" height="${BAR - 2}"/>`);
      }
      parts.push(`<text x="${round(x + width + 8)}" y="${y + 15}">${label}</text>`);
      y += BAR;
    }
    y += GAP;
  }
  const lines = ticks.flatMap(({ at, label }) => [
    `<line x1="${round(LEFT + at * PLOT)}" y1="${TOP - 14}" x2="${round(LEFT + at * PLOT)}" y2="${
      y - GAP
    }" stroke="#e5e7eb"/>`,
    `<text x="${round(LEFT + at * PLOT)}" y="${TOP - 18}" text-anchor="middle" fill="#6b7280">${label}</text>`,
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    `<g font-family="system-ui, sans-serif" font-size="13" fill="#111827">`,
    `<text x="12" y="24" font-size="15" font-weight="bold">${title}</text>`,
    ...lines,
    ...parts,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function round(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}
