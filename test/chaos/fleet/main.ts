// `npm run test:fleet`: many programs with an etcd user start together, then etcd is restarted.
import { cpus } from "node:os";
import process from "node:process";
import { commandLine } from "../../support/command-line.ts";
import type { Runtime } from "../../support/process.ts";
import { type Config, Fleet } from "./fleet.ts";

const HELP = `npm run test:fleet -- [options]

Many programs with an etcd user start together, then etcd is restarted. Takes the etcd on the PATH. Ends with code 1 if
registering took too long, or a key was lost.

  --programs N     how many; default: 200
  --runtime NAME   what they run on: node, bun (the default) or deno
  --driver NAME    how they reach etcd: connect (the default) or etcd3
  --ttl N          their keys' TTL in seconds; default: 10
  --after N        how many seconds after etcd's restart their keys are counted; default: 30`;

const { values } = commandLine(HELP, {
  options: {
    programs: { type: "string", default: "200" },
    runtime: { type: "string", default: "bun" },
    driver: { type: "string", default: "connect" },
    ttl: { type: "string", default: "10" },
    after: { type: "string", default: "30" },
  },
});
const programs = Number(values.programs), ttlSeconds = Number(values.ttl), afterSeconds = Number(values.after);
const cores = cpus().length;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

// So that the processes it started end, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const fleet = await Fleet.start();
let broken = false;
try {
  const oneMs = await fleet.authenticationMs();
  const allMs = programs * oneMs / cores;
  console.log(`one authentication takes ${oneMs.toFixed(0)} ms; ${programs} on ${cores} cores ${seconds(allMs)}`);
  const runtime = values.runtime as Runtime, driver = values.driver as Config["driver"];
  const tookMs = await fleet.register({ programs, runtime, driver, ttlSeconds }, 10 * 60_000);
  broken = tookMs > 1.5 * allMs;
  console.log(
    `${programs} programs are registered ${seconds(tookMs)} after the last is up: ${
      (tookMs / allMs).toFixed(2)
    } times that`,
  );
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const lost = await fleet.restart(1_000 * afterSeconds);
  broken ||= lost > 0;
  console.log(`etcd restarted, TTL ${ttlSeconds} s: ${lost} of ${programs} keys lost within ${afterSeconds} s`);
} finally {
  if (broken) console.log([...fleet.said].map(([line, count]) => `  ${count} × ${line}`).join("\n"));
  await fleet.end();
}
process.exit(broken ? 1 : 0);
