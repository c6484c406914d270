// `npm run mutate`: puts one fault after another into the code and runs the tests that have to notice. A fault that no test
// notices is printed; those that change nothing anyone can see are listed in equivalent.ts with the reason.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { commandLine } from "../support/command-line.ts";
import { changeOf, describeFault, type Fault, faultsIn, isEquivalent, urlOf } from "./faults.ts";
import { type Part, partNames, partOf, programs } from "./plan.ts";
import { survey, Worker } from "./pool.ts";
import type { Surveyed, TestId, Verdict } from "./job.ts";

const HELP = `npm run mutate -- [PART …] [--every N] [--from K] [--file TEXT] [--again FILE] [--near] [--jobs N]

Puts faults into the code, one at a time, and runs the tests that reach them. Ends with code 1 when more than 5 % of the
faults that matter survive, or more than 5 % of all are listed as equivalent.

  PART          ${partNames.join(", ")}; default: all
  --every N     only each Nth fault of a file, for a quick look; default 1
  --from K      the first of these: 0 to N - 1; with another K it is another sample; default 0
  --file TEXT   only files whose path contains it, or one of these if it is given again
  --again FILE  only the faults that an earlier run, whose output FILE is, found no test for
  --near        without the tests of other folders, for a quick look
  --jobs N      so many at a time; default: as many as there are processors (${availableParallelism()})`;

/** A test may take so many times what it takes without a fault, and 5 s more; then the fault made it hang: it is noticed. */
const PATIENCE = 8;
/** One that was noticed only by that is tried again with so many times as much, in case that the machine was busy. */
const MORE_PATIENCE = 3;

const { values, positionals } = commandLine(HELP, {
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    file: { type: "string", multiple: true, default: [""] },
    again: { type: "string" },
    near: { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
  },
});
const [every, from, jobs] = [values.every, values.from, values.jobs].map(Number);
if (
  !(every! >= 1 && from! >= 0 && from! < every! && jobs! >= 1 && positionals.every((name) => partNames.includes(name)))
) {
  console.error(HELP);
  process.exit(2);
}
const earlier = values.again === undefined ? undefined : readFileSync(values.again, "utf8");

/** Calls `work` for each item, `jobs` at a time, each time with a worker of its own. */
async function each<T>(items: readonly T[], work: (item: T, worker: Worker) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(Array.from({ length: jobs! }, async () => {
    const worker = new Worker();
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item, worker);
    worker.end();
  }));
}

const parts = new Map<string, Part>();
const faults = new Map<string, readonly Fault[]>();
for (const name of positionals.length > 0 ? positionals : partNames) {
  const whole = partOf(name);
  const part = values.near ? { ...whole, far: [] } : whole;
  parts.set(name, part);
  for (const file of part.sources) {
    if (!values.file.some((text) => file.includes(text))) continue;
    const wanted = faultsIn(file, every, from).filter((fault) =>
      earlier === undefined || earlier.includes(describeFault(fault).replace(/^.*/, ` ${fault.operator}`))
    );
    if (wanted.length > 0) faults.set(file, wanted);
  }
}

interface KnownTest extends Surveyed, TestId {}

/** By test file. */
const surveyed = new Map<string, readonly KnownTest[]>();
const positions = Object.fromEntries([...faults].map(([file, all]) => [urlOf(file), all.map(({ reach }) => reach)]));
const used = [...parts.values()].filter(({ sources }) => sources.some((file) => faults.has(file)));
await each([...new Set([...used.flatMap(({ near, far }) => [...near, ...far])])], async (file) => {
  const { tests } = await survey({ type: "survey", file, positions });
  surveyed.set(file, tests.map((test, index) => ({ ...test, file, index })));
});

/** The tests among `files` that reach a fault, the quickest first. */
function reaching(files: readonly string[], { file }: Fault, index: number): readonly KnownTest[] {
  return files.flatMap((name) => surveyed.get(name)!).filter(({ reached }) => reached[urlOf(file)]?.includes(index))
    .sort((a, b) => a.timeMs - b.timeMs);
}

async function verdictOn(fault: Fault, index: number, part: Part, worker: Worker): Promise<Verdict> {
  const known = new Set([
    ...reaching(part.near, fault, index),
    ...reaching(part.far, fault, index),
    ...programs.filter((file) => part.near.includes(file) || part.far.includes(file))
      .flatMap((file) => surveyed.get(file)!),
  ]);
  const attempt = (patience: number) =>
    worker.try({
      type: "try",
      change: changeOf(fault),
      tests: [...known].map(({ file, index }) => ({ file, index })),
      limitsMs: [...known].map(({ timeMs }) => patience * (5_000 + PATIENCE * timeMs)),
    });
  const verdict = await attempt(1);
  return verdict.timedOut && verdict.noticed !== "endless loop" ? await attempt(MORE_PATIENCE) : verdict;
}

interface Score {
  faults: number;
  killed: number;
  /** Of these, by a test that took too long. */
  timedOut: number;
  equivalent: number;
}

async function mutate(part: Part): Promise<Score> {
  const score: Score = { faults: 0, killed: 0, timedOut: 0, equivalent: 0 };
  for (const file of part.sources) {
    const all = faults.get(file) ?? [];
    const survived: Fault[] = [];
    const late: string[] = [];
    let killed = 0, equivalent = 0;
    await each([...all.entries()], async ([index, fault], worker) => {
      if (isEquivalent(fault)) return void equivalent++;
      const { noticed, timedOut } = await verdictOn(fault, index, part, worker);
      if (noticed === undefined) return void survived.push(fault);
      killed++;
      if (timedOut) late.push(`${describeFault(fault)}\n    too slow: ${noticed}`);
    });
    if (all.length === 0) continue;
    survived.sort((a, b) => a.start - b.start);
    const { length: slow } = late;
    console.log(`${file}: ${killed} noticed (${slow} by time), ${survived.length} not, ${equivalent} without effect`);
    for (const fault of survived) console.log(describeFault(fault));
    if (slow > 0) console.log(`  by time:\n${late.join("\n").replace(/^/gm, "  ")}`);
    score.faults += all.length;
    score.killed += killed;
    score.timedOut += slow;
    score.equivalent += equivalent;
  }
  return score;
}

const rows: (readonly [name: string, score: Score])[] = [];
for (const [name, part] of parts) rows.push([name, await mutate(part)]);
const total: Score = { faults: 0, killed: 0, timedOut: 0, equivalent: 0 };
for (const [, score] of rows) {
  for (const key of ["faults", "killed", "timedOut", "equivalent"] as const) total[key] += score[key];
}
const share = (part: number, whole: number) => `${(100 * part / Math.max(1, whole)).toFixed(1)} %`;
const line = (cells: readonly unknown[]) => `| ${cells.join(" | ")} |`;
console.log(
  `\n${line(["part", "faults", "killed", "by time", "survived", "equivalent", "killed of those that matter"])}`,
);
console.log(line(["---", "---:", "---:", "---:", "---:", "---:", "---:"]));
for (const [name, { faults, killed, timedOut, equivalent }] of [...rows, ["all", total] as const]) {
  const matter = faults - equivalent;
  const figures = [faults, killed, timedOut, matter - killed, `${equivalent} (${share(equivalent, faults)})`];
  console.log(line([name, ...figures, share(killed, matter)]));
}
const matter = total.faults - total.equivalent;
process.exitCode = total.killed < 0.95 * matter || total.equivalent > 0.05 * total.faults ? 1 : 0;
