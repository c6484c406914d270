// `npm run simulate:proof`: puts old faults back, looks for the first seed that shows each, and writes docs/testing.md's
// table.
import { availableParallelism } from "node:os";
import { commandLine, numberOf } from "../../support/command-line.ts";
import { type Found, type Limits, lookFor } from "./look-for.ts";
import { OLD_FAULTS } from "./old-faults.ts";
import { foundFaults, writeRow } from "./table.ts";

const HELP = `npm run simulate:proof -- [--seconds N] [--seeds N] [--only TEXT,…] [--unfound] [--jobs N]

Puts faults back that were mended once, one at a time, and looks for the first seed that shows each. Writes what it
found into docs/testing.md; the rows of faults that it did not look for stay.

  --seconds N   how long it looks for each, in time of one core; default: 60
  --seeds N     how many seeds it tries for each, from 1 on; default: 10000
  --only TEXT   only faults whose names contain it, or one of several texts with commas between them
  --unfound     only faults that the table doesn't say were found
  --jobs N      so many at a time; default: as many as there are processors (${availableParallelism()})
  --help        prints this`;

const { values } = commandLine(HELP, {
  options: {
    seconds: { type: "string", default: "60" },
    seeds: { type: "string", default: "10000" },
    only: { type: "string", default: "" },
    unfound: { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
  },
});
const limits: Limits = { seconds: numberOf("--seconds", values.seconds), seeds: numberOf("--seeds", values.seeds) };
const words = values.only.split(",").map((word) => word.trim()), found = foundFaults();
const names = OLD_FAULTS.map(({ name }) => name).filter((name) =>
  words.some((word) => name.includes(word)) && !(values.unfound && found.has(name))
);
if (names.length === 0) {
  console.error(`no such fault: expected some of\n${OLD_FAULTS.map(({ name }) => `  ${name}`).join("\n")}`);
  process.exit(2);
}

const startedMs = performance.now();
function say(text: string): void {
  console.log(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${text}`);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(0)} s of a core`;
let done = 0;
const left = [...names];

/** Looks for one fault after another, until none is left. */
async function work(): Promise<void> {
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    try {
      const result: Found = await lookFor(name, limits, say);
      writeRow({ name, ...result, seeds: result.seed });
      const { seed, invariant = "not found", what = "", realMs } = result;
      say(`${++done} of ${names.length}: ${name}: ${invariant}, ${seed} seeds, ${seconds(realMs)} ${what}`.trimEnd());
    } catch (error) {
      // The others can still be looked for.
      say(`${++done} of ${names.length}: ${name}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
}
say(`${names.length} faults, up to ${seconds(1_000 * limits.seconds)} each`);
await Promise.all(Array.from({ length: Math.max(1, numberOf("--jobs", values.jobs)) }, work));
