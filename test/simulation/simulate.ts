import { collectAll, forget, guard, leaks } from "./guard/globals.ts";
import type { Plan } from "./plan/plan.ts";
import type { CallRecord } from "./world/ledger.ts";
import { type Broken, World } from "./world/world.ts";

/** What came of a run. */
export interface Result {
  readonly plan: Plan;
  readonly hash: string;
  /** Undefined: all invariants held. */
  readonly failure: Broken | undefined;
  readonly virtualMs: number;
  readonly events: number;
  readonly calls: number;
  readonly succeeded: number;
  /** How often each kind of fault has begun. */
  readonly begun: ReadonlyMap<string, number>;
  /** What happened, line by line, if that was asked for. */
  readonly lines: readonly string[] | undefined;
  /** All calls, if that was asked for. */
  readonly callRecords: readonly CallRecord[] | undefined;
}

/** How long the world has to recover after the last fault: the longest backoff, and a keepalive before it. */
const RECOVERY_MS = 600_000;

/** Plays a plan. */
export async function simulate(plan: Plan, options: { readonly traced?: boolean } = {}): Promise<Result> {
  const thrown = (error: unknown) =>
    world.broken("nothing-unhandled", error instanceof Error ? error.stack! : `${error}`);
  const stop = onUnhandled(thrown);
  const world = new World(plan, options.traced ?? false);
  leaks.length = 0;
  forget();
  // Errors whose stacks nobody reads cost much; a traced run has them.
  const { stackTraceLimit } = Error;
  if (options.traced !== true) Error.stackTraceLimit = 0;
  guard(world.time);
  try {
    await play(world);
  } catch (error) {
    thrown(error);
  } finally {
    guard(undefined);
    Error.stackTraceLimit = stackTraceLimit;
    stop();
  }
  if (leaks.length > 0) world.broken("nothing-leaks-in", [...new Set(leaks)].join(", "));
  const { failure, trace: { hash, lines }, time, ledger: { calls, succeeded, all }, begun } = world;
  return {
    plan,
    hash,
    failure,
    virtualMs: time.now(),
    events: time.events,
    calls,
    succeeded,
    begun,
    lines,
    callRecords: all,
  };
}

async function play(world: World): Promise<void> {
  const { time, plan } = world;
  const failed = () => world.failure !== undefined;
  const run = (ms: number) => time.run(time.now() + ms, failed);
  world.start();
  await run(plan.durationMs);
  for (const client of world.clients) client.busy = false;
  await run(RECOVERY_MS);
  let asked = false;
  time.nextTurn(() => void world.quiet().then(() => asked = true));
  for (let i = 0; i < 100 && !asked && !failed(); i++) await run(10_000);
  if (!asked) world.broken("recovers", "the calls of a quiet world don't end");
  await run(60_000);
  if (!failed()) world.still();
  if (failed()) return;
  time.nextTurn(() => {
    for (const client of world.clients) void client.close();
  });
  await run(20_000);
  time.nextTurn(() => {
    for (const server of world.servers) void server.drain();
  });
  await run(60_000);
  // It may wait for hours for servers whose machines have vanished.
  world.etcd?.close();
  await run(60_000);
  world.network.closeLeftBehind();
  await run(0);
  collectAll();
  if (!failed()) world.closed();
}

/** Calls back with what nothing handled. */
function onUnhandled(callback: (error: unknown) => void): () => void {
  for (const event of ["unhandledRejection", "uncaughtException"]) process.on(event, callback);
  return () => {
    for (const event of ["unhandledRejection", "uncaughtException"]) process.off(event, callback);
  };
}
