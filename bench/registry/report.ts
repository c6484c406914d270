import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import type { Runtime } from "../process.ts";

/** What was measured of one contender on one runtime; undefined where it failed, null where it does no such thing. */
export interface Measured {
  readonly runtime: Runtime;
  readonly contender: string;
  readonly listMs?: number;
  /** In use after a collection, above what was before. */
  readonly listMiB?: number;
  /** From the first write to the last event in the set. */
  readonly burstMs?: number;
  /** From etcd's last answer to the writer to the last event in the set. */
  readonly behindMs?: number;
  readonly rebuilds?: number | null;
  readonly msPerRebuild?: number | null;
  readonly burstPeakMiB?: number;
  readonly registerMs?: number;
  readonly registerKiB?: number;
  readonly restCpuPercent?: number;
  /** etcd's own. */
  readonly etcdCpuPercent?: number;
  /** By etcd's method. */
  readonly requestsPerSecond?: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

const PAGE = new URL("../../docs/performance.md", import.meta.url);
const BEGIN = "<!-- registry:begin -->";
const END = "<!-- registry:end -->";

/** Prints what the run showed. */
export function printRegistry(all: readonly Measured[]): void {
  console.log(tables(all).replaceAll(/^### /gm, ""));
}

/** Puts the tables into docs/performance.md; what stands outside of the marks is kept. */
export async function writeRegistry(
  all: readonly Measured[],
  versions: ReadonlyMap<Runtime, string>,
): Promise<void> {
  const page = await readFile(PAGE, "utf8");
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks the marks ${BEGIN} and ${END}`);
  const runtimes = [...versions].map(([runtime, version]) => `${capital(runtime)} ${version}`).join(", ");
  const introduction = `Written by \`npm run bench:registry\`. ${new Date().toISOString().slice(0, 10)}, ` +
    `${cpus().length} cores, shared with a single etcd. ${runtimes}. \`etcd3\` is that package's own \`getAll\`, ` +
    `\`Watcher\` and \`Lease\`, without any balancing.`;
  await writeFile(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${introduction}\n\n${tables(all)}\n\n${page.slice(end)}`);
}

function tables(all: readonly Measured[]): string {
  const failures = all.flatMap(({ failures }) => failures);
  return [
    "### 10,000 endpoints in one service",
    table(["from nothing to the first call, ms", "memory kept, MiB"], all, ({ listMs, listMiB }) => [
      figure(listMs),
      figure(listMiB),
    ]),
    "### A burst of 5,000 events: 2,500 of them replaced by others",
    table(
      [
        "first write to last event in the set, ms",
        "behind etcd, ms",
        "pickers built",
        "ms per picker",
        "peak MiB more",
      ],
      all,
      (
        m,
      ) => [figure(m.burstMs), figure(m.behindMs), figure(m.rebuilds), figure(m.msPerRebuild), figure(m.burstPeakMiB)],
    ),
    "### 1,000 registrations in one process, TTL 10 s",
    table(
      ["all registered, ms", "KiB each", "CPU at rest, %", "etcd's CPU, %", "requests/s at rest"],
      all,
      (
        m,
      ) => [
        figure(m.registerMs),
        figure(m.registerKiB),
        figure(m.restCpuPercent),
        figure(m.etcdCpuPercent),
        rates(m.requestsPerSecond),
      ],
    ),
    ...failures.length === 0 ? [] : ["Failed:", failures.map((why) => `- ${why}`).join("\n")],
  ].join("\n\n");
}

function rates(perSecond: Measured["requestsPerSecond"]): string {
  if (perSecond === undefined) return "failed";
  const sorted = Object.entries(perSecond).sort(([, a], [, b]) => b - a).filter(([, rate]) => rate >= 1);
  const total = sorted.reduce((sum, [, rate]) => sum + rate, 0);
  return `${figure(total)} (${sorted.map(([method, rate]) => `${method} ${figure(rate)}`).join(", ")})`;
}

function table(
  head: readonly string[],
  all: readonly Measured[],
  cells: (measured: Measured) => readonly string[],
): string {
  const lines = [
    ["runtime", "", ...head],
    ["---", "---", ...head.map(() => "---:")],
    ...all.map((measured) => [capital(measured.runtime), `\`${measured.contender}\``, ...cells(measured)]),
  ];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function figure(value: number | null | undefined): string {
  if (value === undefined) return "failed";
  if (value === null) return "–";
  return Math.abs(value) >= 100 || Number.isInteger(value)
    ? Math.round(value).toLocaleString("en")
    : value.toPrecision(2);
}

function capital(runtime: string): string {
  return runtime[0]!.toUpperCase() + runtime.slice(1);
}
