// A process that runs tests with one fault after another. Sources and tests are loaded anew for each fault, so that nothing
// of an earlier one is left in them; what they import from elsewhere, which takes most of the time, is loaded once.
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { reachedBy, startCoverage } from "./coverage.ts";
import type { Answer, Change, Job, SurveyJob, TryJob, Verdict } from "./job.ts";
import { collect, endSuites, runTest, type Test } from "./node-test.ts";

const root = pathToFileURL(`${process.cwd()}/`).href;
const OWN = ["src/", "test/", "examples/", "bench/"].map((folder) => root + folder);
const nodeTest = new URL("node-test.ts", import.meta.url).href;

/** The variable that hook.ts reads. */
const MUTANT = "CONNECT_LB_MUTANT";
/** Counts the loads of everything. */
let turn = 0;
let change: Change | undefined;
const stripped = new Map<string, string>();

registerHooks({
  resolve(specifier, context, next) {
    const query = context.parentURL?.split("?turn=")[1];
    if (query === undefined) return next(specifier, context);
    if (specifier === "node:test") return { url: nodeTest, shortCircuit: true };
    const resolved = next(specifier, context);
    if (!OWN.some((folder) => resolved.url.startsWith(folder))) return resolved;
    return { ...resolved, url: `${resolved.url}?turn=${query}` };
  },
  load(url, context, next) {
    const [file, query] = url.split("?turn=");
    if (query === undefined) return next(url, context);
    let source = stripped.get(file!);
    if (source === undefined) {
      source = stripTypeScriptTypes(readFileSync(new URL(file!), "utf8"));
      stripped.set(file!, source);
    }
    if (change !== undefined && change.url === file) {
      source = source.slice(0, change.start) + change.text + source.slice(change.end);
    }
    return { format: "module", source, shortCircuit: true };
  },
});

/** The channel to the parent holds the process only between jobs, so that a test that waits for nothing is seen. */
function answer(what: Answer): void {
  process.channel!.ref();
  process.send!(what);
}

/** How long a test may take without a fault. */
const MAX_TEST_MS = 120_000;
/** Set while a test runs: ends it as one that waits for what never comes. */
let drained: (() => void) | undefined;
process.on("beforeExit", () => {
  const waiting = drained;
  // Timers that hold no process may still fire.
  if (waiting !== undefined) setTimeout(() => drained === waiting && waiting(), 1_000);
});
// A parent that hears nothing for long takes it that the process is in an endless loop.
setInterval(() => process.send!({ type: "alive" }), 1_000).unref();

const load = (file: string) => collect(() => import(`${root}${file}?turn=${turn}`));

/** Set while a fault is tried. */
let stray: ((what: string) => void) | undefined;
const onStray = (what: string) => (error: unknown) => {
  const text = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  if (stray !== undefined) return stray(text);
  console.error(text, error);
  process.exit(1);
};
process.on("uncaughtException", onStray("uncaught"));
process.on("unhandledRejection", onStray("unhandled"));

/** Runs a test; rejects when it fails. It has drained when nothing is left that it could wait for. */
async function endOf(test: Test, limitMs: number): Promise<"passed" | "late" | "drained"> {
  let timer: ReturnType<typeof setTimeout>;
  const other = new Promise<"late" | "drained">((resolve) => {
    timer = setTimeout(resolve, limitMs, "late").unref();
    drained = () => resolve("drained");
  });
  try {
    return await Promise.race([runTest(test).then(() => "passed" as const), other]);
  } finally {
    clearTimeout(timer!);
    drained = undefined;
  }
}

async function attempt({ tests, limitsMs }: TryJob): Promise<Verdict> {
  const verdict = (noticed?: string, timedOut = false): Verdict => ({
    type: "verdict",
    noticed,
    timedOut,
    stray: false,
  });
  const files = new Map<string, readonly Test[]>();
  const begun: Test[] = [];
  try {
    for (const [at, { file, index }] of tests.entries()) {
      if (!files.has(file)) {
        try {
          files.set(file, await load(file));
        } catch (error) {
          return verdict(`does not load: ${String(error)}`);
        }
      }
      const test = files.get(file)![index];
      if (test === undefined) return verdict("loads other tests");
      begun.push(test);
      try {
        const how = await endOf(test, limitsMs[at]!);
        if (how === "drained") return verdict(`${test.name} (never ends)`);
        if (how === "late") return verdict(test.name, true);
      } catch {
        return verdict(test.name);
      }
    }
    return verdict();
  } finally {
    const ended = endSuites(begun).catch(() => {});
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
  }
}

async function survey({ file, positions }: SurveyJob): Promise<Answer> {
  startCoverage();
  const tests = await load(file);
  const whole = reachedBy(positions);
  const surveyed = [];
  for (const test of tests) {
    const startMs = performance.now();
    const how = await endOf(test, MAX_TEST_MS);
    if (how !== "passed") throw new Error(`without any fault, "${test.name}" of ${file} is ${how}`);
    const timeMs = performance.now() - startMs;
    const reached = reachedBy(positions);
    for (const [url, indexes] of Object.entries(whole)) {
      reached[url] = [...new Set([...reached[url] ?? [], ...indexes])];
    }
    surveyed.push({ name: test.name, timeMs, reached });
  }
  await endSuites(tests);
  return { type: "survey", tests: surveyed };
}

process.on("message", async (job: Job) => {
  turn++;
  process.channel!.unref();
  if (job.type === "survey") return answer(await survey(job));
  change = job.change;
  // For programs that tests start.
  if (change === undefined) delete process.env[MUTANT];
  else process.env[MUTANT] = JSON.stringify(change);
  const thrown = new Promise<Verdict>((resolve) => {
    stray = (noticed) => resolve({ type: "verdict", noticed, timedOut: false, stray: true });
  });
  const verdict = await Promise.race([attempt(job), thrown]);
  stray = () => {};
  answer(verdict);
});
process.on("disconnect", () => process.exit());
