import type { SimulatedServer } from "./server.ts";
import type { Fleet } from "./shape.ts";

/** Runs a step at its time, in ms after calls begin to count. */
export function after(fleet: Fleet, ms: number, step: () => void): void {
  fleet.clock.timer(fleet.fromMs + ms - fleet.clock.now(), step);
}

/** `on` and `off` take turns on each of the servers, for times that are drawn anew. */
function alternate(
  { clock, random }: Fleet,
  servers: readonly SimulatedServer[],
  { on, off, onMs, offMs }: Alternation,
): void {
  for (const server of servers) {
    const turnOn = () => {
      on(server);
      clock.timer(random.exponential(onMs), turnOff);
    };
    const turnOff = () => {
      off(server);
      clock.timer(random.exponential(offMs), turnOn);
    };
    clock.timer(random.exponential(offMs), turnOn);
  }
}

interface Alternation {
  on(server: SimulatedServer): void;
  off(server: SimulatedServer): void;
  /** How long each lasts on average. */
  readonly onMs: number;
  readonly offMs: number;
}

/** How long other programs take half of a server, and how long they don't, on average. */
const ANTAGONIST_ON_MS = 400, ANTAGONIST_OFF_MS = 900;

/** The share of a server that antagonists leave on average. */
export const ANTAGONIST_SHARE: number = 1 - 0.5 * ANTAGONIST_ON_MS / (ANTAGONIST_ON_MS + ANTAGONIST_OFF_MS);

/** Other programs take half of each server's capacity now and then. */
export function antagonists(fleet: Fleet): void {
  alternate(fleet, fleet.servers, {
    on: ({ processor }) => processor.share = 0.5,
    off: ({ processor }) => processor.share = 1,
    onMs: ANTAGONIST_ON_MS,
    offMs: ANTAGONIST_OFF_MS,
  });
}

const GC_PAUSE_MS = 200, GC_BETWEEN_MS = 5_000;

/** The share of its time in which a server collects no garbage. */
export const GC_SHARE: number = GC_BETWEEN_MS / (GC_BETWEEN_MS + GC_PAUSE_MS);

/** Each server stands still now and then while it collects garbage. */
export function collectGarbage(fleet: Fleet): void {
  alternate(fleet, fleet.servers, {
    on: ({ processor }) => processor.share = 0,
    off: ({ processor }) => processor.share = 1,
    onMs: GC_PAUSE_MS,
    offMs: GC_BETWEEN_MS,
  });
}

/** Servers answer a share of their calls with Unavailable for some time. */
export function fail(
  servers: readonly SimulatedServer[],
  failing: { readonly share: number; readonly workMs: number } | undefined,
): void {
  for (const server of servers) server.failing = failing;
}

/** A process that was just started is slow at first: code is compiled and caches are filled within 10 s. */
export function warmUp(fleet: Fleet, server: SimulatedServer): void {
  const steps = 20, totalMs = 10_000;
  for (let i = 0; i <= steps; i++) {
    const speed = server.speed * (0.1 + 0.9 * i / steps);
    fleet.clock.timer(totalMs * i / steps, () => server.processor.speed = speed);
  }
}
