import type { CallRecord } from "../world/ledger.ts";
import type { Plan } from "../plan/plan.ts";

const WIDTH = 1_000, LEFT = 110, TOP = 48, ROW = 44;
/** The most calls that are drawn: of more, every second one, or every third. */
const MOST_CALLS = 5_000;

/** Readable on white and on black. */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2937 }
.grid { stroke: #d1d5db } .fault { fill: #f59e0b; opacity: .45 } .name { font-weight: bold }
line { stroke-width: 1 } g line { stroke-width: 2 }
.ok { stroke: #16a34a } .failed { stroke: #dc2626 } .gaveUp { stroke: #6b7280 } .broken { stroke: #7c3aed; stroke-width: 2 }
svg { background: #fff }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e5e7eb } .grid { stroke: #374151 } .fault { fill: #fbbf24 }
  .ok { stroke: #4ade80 } .failed { stroke: #f87171 } .gaveUp { stroke: #9ca3af } .broken { stroke: #c4b5fd }
}`;

/** What became of a call, for {@link timeline}. */
export type DrawnCall = Pick<CallRecord, "client" | "startedMs" | "endedMs" | "code" | "givenUp" | "processed">;

/**
 * Draws a run as an SVG: a row for each program, with faults as bars, and calls as lines from beginning to end at their
 * client, and as ticks at the servers that processed them; green if they succeeded, red if they failed, grey if their
 * caller gave them up.
 */
export function timeline(plan: Plan, calls: readonly DrawnCall[], brokenMs: number | undefined): string {
  const { clients, servers, etcd, dnsTtlMs, seed } = plan;
  const rows = [
    ...clients.map(({ name }) => name),
    ...servers.map(({ address }) => address),
    ...etcd ? ["etcd:2379"] : [],
    ...dnsTtlMs === undefined ? [] : ["dns"],
  ];
  const endMs = brokenMs ?? plan.durationMs, height = TOP + rows.length * ROW + 24;
  const x = (ms: number) => (LEFT + Math.min(1, ms / endMs) * (WIDTH - LEFT - 12)).toFixed(1);
  const y = (who: string) => TOP + rows.indexOf(who) * ROW;
  const each = Math.ceil(calls.length / MOST_CALLS);
  const shown = calls.filter((call, i) => i % each === 0 && call.startedMs <= endMs);
  const title = `Seed ${seed}: ${calls.length} calls, ${plan.faults.length} faults`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${title}</title>\n<style>${STYLE}\n</style>`,
    `<text x="12" y="22" class="name">${title}${each > 1 ? `; one call of ${each} is drawn` : ""}</text>`,
    ...ticks(endMs).map((ms) =>
      `<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="${TOP - 6}" y2="${height - 24}"/>` +
      `<text x="${x(ms)}" y="${height - 8}" text-anchor="middle">${ms / 1_000} s</text>`
    ),
    ...rows.map((who) =>
      `<text x="12" y="${y(who) + 24}" class="name">${who}</text>` +
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - 12}" y1="${y(who) + ROW - 4}" y2="${y(who) + ROW - 4}"/>`
    ),
    ...plan.faults.filter(({ atMs, who }) => atMs < endMs && rows.includes(who)).map(({ kind, who, atMs, untilMs }) => {
      const width = Math.max(2, Number(x(untilMs)) - Number(x(atMs))).toFixed(1);
      return `<rect class="fault" x="${x(atMs)}" y="${
        y(who)
      }" width="${width}" height="12"><title>${kind}</title></rect>` +
        (Number(width) > 6 * kind.length ? `<text x="${Number(x(atMs)) + 3}" y="${y(who) + 10}">${kind}</text>` : "");
    }),
    ...shown.map((call, i) => {
      const { client, startedMs, endedMs = endMs, processed } = call, atY = y(client) + 16 + i % 8 * 3;
      const line = `<line x1="${x(startedMs)}" x2="${(Number(x(endedMs)) + 1).toFixed(1)}" y1="${atY}" y2="${atY}"/>`;
      const ticks = processed.map((who) =>
        `<line x1="${x(startedMs)}" x2="${x(startedMs)}" y1="${y(who) + 16}" y2="${y(who) + 36}"/>`
      );
      return `<g class="${outcome(call)}">${line}${ticks.join("")}</g>`;
    }),
    ...brokenMs === undefined ? [] : [
      `<line class="broken" x1="${x(brokenMs)}" x2="${x(brokenMs)}" y1="${TOP - 6}" y2="${height - 24}"/>`,
    ],
    "</svg>\n",
  ].join("\n");
}

function outcome({ code, givenUp }: DrawnCall): string {
  return givenUp ? "gaveUp" : code === undefined ? "ok" : "failed";
}

/** Round times, about eight of them. */
function ticks(endMs: number): number[] {
  const roughMs = endMs / 8, power = 10 ** Math.floor(Math.log10(roughMs));
  const stepMs = power * ([1, 2, 5, 10].find((factor) => factor * power >= roughMs) ?? 10);
  return Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, i) => i * stepMs);
}
