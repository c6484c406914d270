import type { Row } from "./row.ts";

/** A chart and what it shows. */
export interface ChartOptions {
  readonly title: string;
  /** The case whose calls per second are drawn. */
  readonly case: string;
  readonly runtimes: readonly string[];
  readonly contenders: readonly string[];
}

const BAR = 20, GAP = 26, LEFT = 150, WIDTH = 860, PLOT = WIDTH - LEFT - 90, TOP = 44;
const COLOURS: Readonly<Record<string, string>> = { "connect-lb": "#2563eb", "connect-lb-direct": "#93c5fd" };
const OTHER = "#9ca3af";

/** Horizontal bars of calls per second, grouped by runtime, as SVG that reads on light and dark grounds. */
export function chart(rows: readonly Row[], { title, case: name, runtimes, contenders }: ChartOptions): string {
  const value = (runtime: string, contender: string) =>
    rows.find((row) => row.runtime === runtime && row.contender === contender && row.case === name)?.callsPerSecond;
  const most = Math.max(1, ...rows.filter((row) => row.case === name).map((row) => row.callsPerSecond));
  const parts: string[] = [];
  let y = TOP;
  for (const runtime of runtimes) {
    parts.push(`<text x="12" y="${y + 15}" font-weight="bold">${runtime}</text>`);
    for (const contender of contenders) {
      const calls = value(runtime, contender);
      if (calls === undefined) continue;
      const width = Math.max(1, Math.round(calls / most * PLOT));
      const label = Math.round(calls).toLocaleString("en");
      parts.push(
        `<text x="${LEFT - 8}" y="${y + 15}" text-anchor="end">${contender}</text>`,
        `<rect x="${LEFT}" y="${y + 2}" width="${width}" height="${BAR - 4}" fill="${COLOURS[contender] ?? OTHER}"/>`,
        `<text x="${LEFT + width + 6}" y="${y + 15}">${label}</text>`,
      );
      y += BAR;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    `<g font-family="system-ui, sans-serif" font-size="13" fill="#111827">`,
    `<text x="12" y="24" font-size="15" font-weight="bold">${title}</text>`,
    ...parts,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}
