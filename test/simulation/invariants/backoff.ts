import type { Invariant } from "./invariant.ts";

/** gRPC's connection backoff: 1 s, times 1.6 after each failure, up to 2 minutes, with a jitter of 0.2. */
const backoffMs = (failures: number) => 1.2 * Math.min(120_000, 1_000 * 1.6 ** (failures - 1));
/** A connection that was open for so long was healthy, whatever happened on it. */
const HEALTHY_MS = 10_000;
const SLACK_MS = 1_000;
const LOOK_MS = 1_000;

/** What is known of a client's connection to an endpoint. */
interface Known {
  /** How often in a row it could not be opened, at most. */
  failures: number;
  /** Since when it is ready, or failing. */
  sinceMs: number;
  failing: boolean;
  /** Which server it was that could not be reached. */
  incarnation: string | undefined;
}

/** A connection that fails is tried again in time: its backoff grows with its failures alone, and starts over. */
export const backoffStartsOver: Invariant = {
  name: "backoff-starts-over",
  watch(world) {
    const known = new Map<string, Known>();
    const late = (client: string, key: string, { failures, sinceMs }: Known) => {
      const { process } = world.client(client), waitedMs = world.time.now() - sinceMs;
      if (process.frozen || process.thawedMs >= sinceMs || waitedMs <= backoffMs(failures) + SLACK_MS) return;
      world.broken("backoff-starts-over", `${key} waits for ${Math.round(waitedMs)} ms after ${failures} failures`);
    };
    const look = () => {
      for (const [key, { failing, incarnation }] of known) {
        if (!failing) continue;
        const [client, , address] = key.split(" ");
        for (const { endpoint, state } of world.client(client!).transport.snapshot().endpoints ?? []) {
          if (endpoint.address !== address || endpoint.incarnation === incarnation) continue;
          if (state === "transient_failure") world.broken("backoff-starts-over", `${key} waits for a new server`);
        }
      }
      if (world.time.now() < world.plan.durationMs) world.time.timer(LOOK_MS, look);
    };
    world.time.timer(LOOK_MS, look);
    return {
      event(client, event) {
        if (event.type !== "connection-state") return;
        const { endpoint: { address }, from, to } = event, nowMs = world.time.now(), key = `${client} of ${address}`;
        const it = known.get(key) ?? { failures: Infinity, sinceMs: nowMs, failing: false, incarnation: undefined };
        known.set(key, it);
        if (it.failing && to !== "shutdown" && from === "transient_failure") late(client, key, it);
        if (from === "ready" && nowMs - it.sinceMs >= HEALTHY_MS) it.failures = 0;
        // It may go on where it was when its endpoint is back, or be another one.
        if (to === "shutdown") it.failures = Infinity;
        it.failing = to === "transient_failure";
        it.incarnation = event.endpoint.incarnation;
        if (it.failing) it.failures++;
        if (it.failing || to === "ready") it.sinceMs = nowMs;
      },
      still() {
        for (const [key, it] of known) if (it.failing) late(key.split(" ")[0]!, key, { ...it, failures: 100 });
      },
    };
  },
};
