// Puts back old faults one by one, looks for the first seed that shows each, and writes docs/testing.md's table.
// node test/simulation/proof/main.ts [--seconds 60] [--seeds 10000] [--only text]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { OLD_FAULTS } from "./old-faults.ts";
import type { Found } from "./search.ts";
import { writeRow } from "./table.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seeds: { type: "string", default: "10000" },
    only: { type: "string", default: "" },
  },
});
const seconds = Number(values.seconds), seeds = Number(values.seeds);

function search(fault: string, first: number, last: number, forSeconds: number): Found {
  const at = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const args = ["--import", at("put-back.ts"), at("search.ts"), `${first}`, `${last}`, `${forSeconds}`];
  const env = { ...process.env, SIMULATION_FAULT: fault };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env });
  if (status !== 0) throw new Error(`"${fault}" could not be looked for: ${signal ?? status}\n${stdout}${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Found;
}

for (const { name } of OLD_FAULTS) {
  if (!name.includes(values.only)) continue;
  let virtualMs = 0, realMs = 0;
  for (let first = 1;;) {
    const found = search(name, first, seeds, seconds - realMs / 1_000);
    virtualMs += found.virtualMs;
    realMs += found.realMs;
    const { seed, invariant, what } = found;
    // A seed that fails without the fault, too, shows nothing.
    if (invariant !== undefined && search("", seed, seed, 0).invariant !== undefined) {
      console.log(`seed ${seed} fails by itself`);
      first = seed + 1;
      if (first <= seeds && realMs < 1_000 * seconds) continue;
    }
    writeRow({ name, seeds: seed, invariant, virtualMs, realMs });
    console.log(`${name}: ${invariant ?? "not found"}, ${seed} seeds, ${Math.round(realMs / 1_000)} s: ${what ?? ""}`);
    break;
  }
}
