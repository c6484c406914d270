// Puts back old faults one by one, and prints after how many seeds the simulation finds each.
// node test/simulation/proof/main.ts [--seconds 60] [--only text]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { OLD_FAULTS } from "./old-faults.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, only: { type: "string", default: "" } },
});
const at = (name: string) => fileURLToPath(new URL(name, import.meta.url));

console.log("| fault | found by | seeds | virtual time | real time |\n| --- | --- | --- | --- | --- |");
for (const { name } of OLD_FAULTS) {
  if (!name.includes(values.only)) continue;
  const args = ["--import", at("put-back.ts"), at("search.ts"), values.seconds];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, SIMULATION_FAULT: name },
  });
  console.log(`| ${name} | ${stdout.trim() || `(failed) ${stderr.slice(-200)}`} |`);
}
