// Runs scenarios, named as arguments, on the runtime that runs this: `client.ts [--quick] [--through-proxy] kill
// freeze …`. Each ends with a line "outcome {…}".
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Environment, type Stage } from "./environment.ts";
import { limitOf, type Outcome, type Scenario } from "./scenario.ts";
import { proxyScenarios, scenarios } from "./scenarios.ts";
import { ThroughProxy } from "./through-proxy.ts";

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean" }, "through-proxy": { type: "boolean" } },
  allowPositionals: true,
});
// Started with its standard input open: its end means that the process that wanted the outcome is gone.
process.stdin.on("end", () => process.exit(1)).resume();

/** How often a scenario is played again because a server died that nobody had killed. */
const MOST_REPLAYS = 2;

const quick = values.quick === true;
const folder = mkdtempSync(join(tmpdir(), "connect-lb-chaos-"));
const [servers, sickServers] = quick ? [new Map(), new Map()] : [];
const through = values["through-proxy"] ? new ThroughProxy() : undefined;
const stage: Stage = { quick, folder, servers, sickServers, through };
for (const name of positionals) {
  const all = through === undefined ? scenarios : proxyScenarios;
  const scenario = all.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario "${name}": expected ${all.map((s) => s.name)}`);
  console.log(`outcome ${JSON.stringify(await run(scenario))}`);
}
for (const server of [...servers?.values() ?? [], ...sickServers?.values() ?? []]) await server.kill();
await through?.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);

async function run(scenario: Scenario): Promise<Outcome> {
  for (let replays = 0;; replays++) {
    const startMs = performance.now();
    const environment = new Environment(stage);
    const { figures } = environment;
    await play(scenario, environment);
    // Deno's HTTP/2 servers abort now and then when a client disconnects. What was played then is another scenario.
    const aborted = environment.crashes().some((why) => /the deno server ended .*(SIGABRT|SIGSEGV)/.test(why));
    for (const why of environment.crashes()) figures.fail(why);
    await environment.end();
    if (aborted && replays < MOST_REPLAYS) continue;
    if (replays > 0) figures.note("played again", replays);
    return {
      scenario: scenario.name,
      figures: figures.figures,
      broken: figures.broken,
      details: figures.details,
      tookMs: performance.now() - startMs,
    };
  }
}

async function play(scenario: Scenario, environment: Environment): Promise<void> {
  const limitMs = limitOf(scenario, quick);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      scenario.run(environment),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took over ${limitMs} ms`)), limitMs);
      }),
    ]);
  } catch (error) {
    environment.figures.fail(`${(error as Error)?.stack ?? error}`);
  } finally {
    clearTimeout(timer);
  }
}
