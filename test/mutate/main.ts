// `npm run mutate`: puts one fault after another into the code and runs the tests that have to notice. A fault that no test
// notices is printed; those that change nothing anyone can see are listed in equivalent.ts with the reason.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { equivalents } from "./equivalent.ts";
import { type Mutant, mutantsOf } from "./operators.ts";
import { type Part, partNames, partOf } from "./plan.ts";

const HELP = `npm run mutate -- [PART …] [--every N] [--file TEXT] [--jobs N]

Puts faults into the code, one at a time, and runs the tests that have to notice. Ends with code 1 when more than 5 % of
the faults that matter survive.

  PART         ${partNames.join(", ")}; default: all
  --every N    only each Nth fault of a file, for a quick look; default 1
  --file TEXT  only files whose path contains it
  --jobs N     so many at a time; default: as many as there are processors (${availableParallelism()})`;

/** A run of tests may take so many times what it takes without a fault; then the fault made it hang, and counts as noticed. */
const PATIENCE = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    file: { type: "string", default: "" },
    jobs: { type: "string", default: String(availableParallelism()) },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const [every, jobs] = [values.every, values.jobs].map(Number);
if (!(every! >= 1 && jobs! >= 1 && positionals.every((name) => partNames.includes(name)))) {
  console.error(HELP);
  process.exit(2);
}

interface Fault extends Mutant {
  readonly file: string;
  readonly line: number;
  /** The line as it is, and as it is with the fault. */
  readonly before: string;
  readonly after: string;
}

function faultsIn(file: string): readonly Fault[] {
  const source = readFileSync(file, "utf8");
  return mutantsOf(source).filter((_, index) => index % every! === 0).map((mutant) => {
    const from = source.lastIndexOf("\n", mutant.start - 1) + 1;
    const to = (source.indexOf("\n", mutant.end) + 1 || source.length + 1) - 1;
    const after = source.slice(from, mutant.start) + mutant.text + source.slice(mutant.end, to);
    const trimmed = (text: string) => text.trim().replace(/\s+/g, " ");
    const line = source.slice(0, from).split("\n").length;
    return { ...mutant, file, line, before: trimmed(source.slice(from, to)), after: trimmed(after) };
  });
}

/** Runs tests with a fault or without one; resolves with the name of the test that failed, or undefined. */
function failing(tests: readonly string[], fault: Fault | undefined, limitMs: number): Promise<string | undefined> {
  const env = { ...process.env, NODE_OPTIONS: `--import=${pathToFileURL("test/mutate/hook.ts").href}` };
  if (fault !== undefined) {
    const { file, start, end, text } = fault;
    Object.assign(env, { CONNECT_LB_MUTANT: JSON.stringify({ url: pathToFileURL(file).href, start, end, text }) });
  }
  const child = spawn(process.execPath, ["--no-warnings", "test/mutate/run-tests.ts", ...tests], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
    // A group of its own, so that what the tests started ends with them.
    detached: true,
  });
  return new Promise((resolve) => {
    let output = "";
    let timedOut = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => output = (output + text).slice(-10_000));
    const endGroup = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It has ended.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup();
    }, limitMs);
    child.once("close", (code) => {
      clearTimeout(timer);
      endGroup();
      if (timedOut) resolve("(hangs)");
      else resolve(code === 0 ? undefined : output.trim().split("\n").at(-1) || `(ends with code ${code})`);
    });
  });
}

/** How long tests take without a fault, in milliseconds; throws where they fail. */
async function timeOf(tests: readonly string[]): Promise<number> {
  const startMs = performance.now();
  const name = await failing(tests, undefined, 600_000);
  if (name !== undefined) throw new Error(`without any fault this test fails: ${name}`);
  return performance.now() - startMs;
}

const isEquivalent = ({ file, before, after }: Fault) =>
  equivalents.some((known) => known.file === file && known.before === before && known.after === after);

interface Score {
  killed: number;
  equivalent: number;
  readonly survived: Fault[];
}

async function mutatePart(part: Part): Promise<Score> {
  const limits = { near: 0, far: 0 };
  for (const which of ["near", "far"] as const) limits[which] = 5_000 + PATIENCE * await timeOf(part[which]);
  const score: Score = { killed: 0, equivalent: 0, survived: [] };
  for (const file of part.sources) {
    if (!file.includes(values.file)) continue;
    const waiting = [...faultsIn(file)];
    if (waiting.length === 0) continue;
    const survived: Fault[] = [];
    let killed = 0, equivalent = 0;
    const work = async () => {
      for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
        if (isEquivalent(fault)) equivalent++;
        else if (await failing(part.near, fault, limits.near) !== undefined) killed++;
        else if (await failing(part.far, fault, limits.far) !== undefined) killed++;
        else survived.push(fault);
      }
    };
    await Promise.all(Array.from({ length: jobs! }, work));
    survived.sort((a, b) => a.start - b.start);
    console.log(`${file}: ${killed} noticed, ${survived.length} not, ${equivalent} without effect`);
    for (const { line, operator, before, after } of survived) {
      console.log(`  ${file}:${line} ${operator}\n    - ${before}\n    + ${after}`);
    }
    score.killed += killed;
    score.equivalent += equivalent;
    score.survived.push(...survived);
  }
  return score;
}

let killed = 0, survived = 0, equivalent = 0;
for (const name of positionals.length > 0 ? positionals : partNames) {
  const startMs = performance.now();
  const score = await mutatePart(partOf(name));
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  console.log(`── ${name}: ${score.killed} noticed, ${score.survived.length} not, ${minutes} min\n`);
  killed += score.killed;
  survived += score.survived.length;
  equivalent += score.equivalent;
}
const all = killed + survived + equivalent;
const share = (part: number, whole: number) => `${(100 * part / Math.max(1, whole)).toFixed(1)} %`;
console.log(
  `${all} faults: ${killed} noticed, ${survived} not (${share(survived, killed + survived)}), ` +
    `${equivalent} without effect (${share(equivalent, all)})`,
);
process.exitCode = survived > 0.05 * (killed + survived) || equivalent > 0.05 * all ? 1 : 0;
