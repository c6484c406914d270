import { type Child, executable, type Runtime, start } from "../support/process.ts";
import { limitOf, type Outcome, type Scenario } from "./scenario.ts";

/** What each runtime is started with, so that a program can ask for a collection of garbage. */
const COMMAND: Readonly<Record<Runtime, readonly string[]>> = {
  node: ["--expose-gc"],
  bun: [],
  deno: ["run", "-A", "--no-check", "--v8-flags=--expose-gc"],
};

/** Runs scenarios one after another with the client, or the proxy, on a runtime; gives each outcome when it is there. */
export async function* runClient(
  runtime: Runtime,
  scenarios: readonly Scenario[],
  { quick = false, throughProxy = false }: { quick?: boolean; throughProxy?: boolean } = {},
): AsyncGenerator<Outcome> {
  const names = scenarios.map(({ name }) => name);
  const options = [...(quick ? ["--quick"] : []), ...(throughProxy ? ["--through-proxy"] : [])];
  const args = [...COMMAND[runtime], "test/chaos/client.ts", ...options, ...names];
  const child = start(executable(runtime), args);
  try {
    for (const scenario of scenarios) yield await outcomeOf(child, scenario.name, limitOf(scenario, quick));
  } finally {
    await child.stop();
  }
}

async function outcomeOf(child: Child, name: string, limitMs: number): Promise<Outcome> {
  try {
    // The client itself ends a scenario that takes too long; ending its servers takes a while more.
    const line = await child.line(new RegExp(`^outcome (\\{"scenario":"${name}",.*)$`), {
      timeoutMs: limitMs + 20_000,
    });
    return JSON.parse(line[1]!) as Outcome;
  } catch (error) {
    const broken = [error instanceof Error ? error.message : String(error)];
    return { scenario: name, figures: [], broken, details: [], tookMs: NaN };
  }
}
