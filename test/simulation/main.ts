// `npm run simulate`: simulates new seeds for a minute, or one again.
import { runtime } from "./guard/globals.ts";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { commandLine, numberOf } from "../support/command-line.ts";
import { playInJobs } from "./jobs.ts";
import type { Plan } from "./plan/plan.ts";
import { planFor } from "./plan/plan-for.ts";
import { shrink } from "./shrink/shrink.ts";
import { simulate } from "./simulate.ts";
import { timeline } from "./trace/timeline.ts";
import { type Played, playedOf, Totals } from "./totals.ts";

const HELP = `npm run simulate -- [--seconds N | --calls N | --seeds N] [--from N] [options]
npm run simulate -- --seed N | --plan FILE [options]

Plays clients, servers and etcd in one process while things go wrong at random, and checks what must hold all the time;
see docs/testing.md. Ends with code 1 if something did not hold.

  --seconds N   new seeds for so long; default: 60
  --calls N     new seeds until so many calls were made
  --seeds N     so many seeds
  --from N      the first of them; default: a random one
  --jobs N      that, with so many processes at a time; default: 1, of ${availableParallelism()} processors
  --seed N      one seed
  --plan FILE   a plan, as --shrink prints it
  --busy        with many calls and faults in a short time
  --narrow      short ones about one thing each: calls in line, connections that end, or registrations
  --heavy       with as many calls as can be played: many at the same moments
  --trace       prints what happened, line by line
  --svg FILE    draws what happened
  --shrink      if it fails, prints the smallest plan that does
  --help        prints this`;

const { values } = commandLine(HELP, {
  options: {
    busy: { type: "boolean", default: false },
    calls: { type: "string" },
    from: { type: "string" },
    heavy: { type: "boolean", default: false },
    jobs: { type: "string", default: "1" },
    narrow: { type: "boolean", default: false },
    plan: { type: "string" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    seeds: { type: "string" },
    shrink: { type: "boolean", default: false },
    svg: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

const totals = new Totals(), kinds = ["heavy", "busy", "narrow"] as const;
const of = kinds.find((kind) => values[kind]), traffic = of === undefined ? "" : `--${of}`;

/** Adds a run to the totals, and says what there is to say of it; `again` plays it again. */
const count = (played: Played, again = `--seed ${played.seed} ${traffic}`.trim()) => {
  const { seed, failure } = played;
  totals.add(played);
  const progress = totals.progress(played);
  if (progress !== undefined) console.log(`seed ${seed}: ${progress}`);
  if (failure === undefined) return;
  const { invariant, what, atMs } = failure;
  console.log(`seed ${seed}: ${invariant} is broken after ${Math.round(atMs)} ms: ${what}`);
  console.log(`play it again: npm run simulate -- ${again} --trace`);
  process.exitCode = 1;
};

const one = async (plan: Plan, again?: string) => {
  const { seed } = plan, result = await simulate(plan, { traced: values.trace || values.svg !== undefined });
  if (values.trace) { for (const line of result.lines ?? []) console.log(line); }
  if (values.svg !== undefined) {
    writeFileSync(values.svg, timeline(result.plan, result.callRecords ?? [], result.failure?.atMs));
  }
  if (values.seed !== undefined || values.plan !== undefined) {
    const { calls, succeeded, events, hash } = result;
    console.log(`seed ${seed}: ${calls} calls, ${succeeded} succeeded, ${events} events, trace ${hash}`);
  }
  count(playedOf(result), again);
  if (result.failure === undefined || !values.shrink) return;
  console.log("for a file in test/simulation/regressions, which the suite plays:");
  console.log(JSON.stringify(await shrink(result.plan, result.failure.invariant)));
};

/** Plays seeds, in this process or in several, until there were enough. */
const many = async () => {
  const counts = values.calls !== undefined, most = counts ? numberOf("--calls", values.calls!) : Infinity;
  const seeds = values.seeds === undefined ? Infinity : numberOf("--seeds", values.seeds);
  const timed = !counts && values.seeds === undefined, jobs = numberOf("--jobs", values.jobs);
  const endMs = timed ? runtime.now() + numberOf("--seconds", values.seconds) * 1_000 : Infinity;
  const first = values.from === undefined ? Math.floor(Math.random() * 2 ** 31) : numberOf("--from", values.from);
  console.log(`seeds from ${first}`);
  const enough = () => runtime.now() >= endMs || totals.calls >= most;
  if (jobs > 1) {
    return await playInJobs({ first, seeds, jobs, traffic }, (played) => {
      count(played);
      return enough();
    });
  }
  for (let seed = first; seed < first + seeds && !enough(); seed++) await one(planFor(seed, traffic));
};

if (values.plan !== undefined) {
  await one(JSON.parse(readFileSync(values.plan, "utf8")) as Plan, `--plan ${values.plan}`);
} else if (values.seed !== undefined) await one(planFor(numberOf("--seed", values.seed), traffic));
else await many();
console.log(`faults: ${totals.faults}\n${totals.summary}, traces ${totals.traces}`);
