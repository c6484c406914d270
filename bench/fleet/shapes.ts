import { after, ANTAGONIST_SHARE, antagonists, collectGarbage, fail, GC_SHARE, warmUp } from "./model/faults.ts";
import type { Shape } from "./model/shape.ts";

/** What an answer takes that is the failure to do any work, in ms. */
const FAST_MS = 0.1;

const TWENTY = { servers: 20, clients: 20, warmUpSeconds: 3 };
const ANTAGONISTS = { meanShare: ANTAGONIST_SHARE, script: antagonists };
const halfSlow = (index: number) => index % 2 === 0 ? 1 : 0.5;

/** Healthy fleets of all sizes, whose servers lose half of their capacity to other programs now and then. */
export const SIZES: readonly Shape[] = [
  { name: "20x20", title: "20 servers, 20 clients, load 0.7", ...TWENTY, ...ANTAGONISTS, load: 0.7, seconds: 20 },
  {
    name: "20x20-half-slow",
    title: "20 servers, half of them half as fast, 20 clients, load 0.85",
    ...TWENTY,
    ...ANTAGONISTS,
    speed: halfSlow,
    load: 0.85,
    seconds: 20,
  },
  {
    name: "100x100-half-slow",
    title: "100 servers, half of them half as fast, 100 clients, load 0.8",
    ...ANTAGONISTS,
    servers: 100,
    clients: 100,
    speed: halfSlow,
    load: 0.8,
    warmUpSeconds: 2,
    seconds: 12,
    seeds: 1,
  },
  {
    name: "20x200",
    title: "20 servers, 200 clients, load 0.7",
    ...ANTAGONISTS,
    servers: 20,
    clients: 200,
    load: 0.7,
    warmUpSeconds: 3,
    seconds: 20,
  },
  {
    name: "20x20-far",
    title: "20 servers, 20 clients, a round trip of 5 ms, load 0.7",
    ...TWENTY,
    ...ANTAGONISTS,
    rttMs: 5,
    load: 0.7,
    seconds: 20,
  },
  {
    name: "3x10",
    title: "3 servers, 10 clients, load 0.7",
    ...ANTAGONISTS,
    servers: 3,
    clients: 10,
    load: 0.7,
    warmUpSeconds: 3,
    seconds: 60,
  },
  {
    name: "3x1",
    title: "3 servers, one client, load 0.7",
    ...ANTAGONISTS,
    servers: 3,
    clients: 1,
    load: 0.7,
    warmUpSeconds: 3,
    seconds: 60,
  },
  {
    name: "20x1",
    title: "20 servers, one client, load 0.7",
    ...ANTAGONISTS,
    servers: 20,
    clients: 1,
    load: 0.7,
    warmUpSeconds: 3,
    seconds: 20,
  },
  {
    name: "20x20-overload",
    title: "20 servers, 20 clients, load 1.1, calls with 1 s",
    ...TWENTY,
    ...ANTAGONISTS,
    load: 1.1,
    timeoutMs: 1_000,
    seconds: 20,
  },
  {
    name: "1000x10",
    title: "1,000 servers, 10 clients, load 0.7",
    ...ANTAGONISTS,
    servers: 1_000,
    clients: 10,
    load: 0.7,
    warmUpSeconds: 0.5,
    seconds: 1,
    seeds: 1,
  },
  {
    name: "20x1000",
    title: "20 servers, 1,000 clients, load 0.7",
    ...ANTAGONISTS,
    servers: 20,
    clients: 1_000,
    load: 0.7,
    warmUpSeconds: 3,
    seconds: 20,
    seeds: 1,
  },
];

const FAILING = { ...TWENTY, cores: 1, load: 0.6, seconds: 20, timeoutMs: 1_000 };
/** When a fault begins, and how long it lasts. */
const BEGIN_MS = 2_000, LASTS_MS = 10_000;

/** Fleets some of whose servers fail. */
const FAULTS: readonly Shape[] = [
  {
    ...FAILING,
    name: "refuses",
    title: "3 of 20 are killed, and refuse connections for 10 s",
    script(fleet) {
      const bad = fleet.servers.slice(0, 3);
      after(fleet, BEGIN_MS, () => bad.forEach((server) => server.interrupt("down")));
      after(fleet, BEGIN_MS + LASTS_MS, () => bad.forEach((server) => server.restore()));
    },
  },
  {
    ...FAILING,
    name: "fast-failure",
    title: "3 of 20 answer Unavailable in 0.1 ms for 10 s",
    script(fleet) {
      const bad = fleet.servers.slice(0, 3);
      after(fleet, BEGIN_MS, () => fail(bad, { share: 1, workMs: FAST_MS }));
      after(fleet, BEGIN_MS + LASTS_MS, () => fail(bad, undefined));
    },
  },
  {
    ...FAILING,
    name: "gray",
    title: "3 of 20 answer one of 5 calls with Unavailable",
    script(fleet) {
      const bad = fleet.servers.slice(0, 3);
      after(fleet, BEGIN_MS, () => fail(bad, { share: 0.2, workMs: FAST_MS }));
    },
  },
  {
    ...FAILING,
    name: "flapping",
    title: "3 of 20 answer Unavailable for 2 s of every 4",
    script(fleet) {
      const bad = fleet.servers.slice(0, 3);
      for (let ms = BEGIN_MS; ms < fleet.toMs - fleet.fromMs; ms += 4_000) {
        after(fleet, ms, () => fail(bad, { share: 1, workMs: FAST_MS }));
        after(fleet, ms + 2_000, () => fail(bad, undefined));
      }
    },
  },
  {
    ...FAILING,
    name: "zone-loss",
    title: "7 of 20 vanish without a word for 10 s",
    load: 0.5,
    script(fleet) {
      const zone = fleet.servers.slice(0, 7);
      after(fleet, BEGIN_MS, () => zone.forEach((server) => server.interrupt("unreachable")));
      after(fleet, BEGIN_MS + LASTS_MS, () => zone.forEach((server) => server.restore()));
    },
  },
  {
    ...FAILING,
    name: "restart-storm",
    title: "each of 20 is killed, is down for 1 s and slow for 10 s, one after another within 10 s",
    load: 0.35,
    script(fleet) {
      fleet.servers.forEach((server, i) => {
        const ms = BEGIN_MS + i * 500;
        after(fleet, ms, () => server.interrupt("down"));
        after(fleet, ms + 1_000, () => {
          server.restore();
          warmUp(fleet, server);
        });
      });
    },
  },
];

/** Each of them with calls that are not idempotent, so that all failures show; and with calls that are retried. */
export const FAILING_SHAPES: readonly Shape[] = FAULTS.flatMap((shape) => [
  { ...shape, title: `${shape.title}; no retries`, idempotent: false },
  { ...shape, name: `${shape.name}-retried`, title: `${shape.title}; retries` },
]);

const SLOW = { ...TWENTY, seconds: 20 };

/** Fleets some of whose servers are slow. */
export const SLOW_SHAPES: readonly Shape[] = [
  {
    ...SLOW,
    name: "one-slow",
    title: "1 of 20 is a fifth as fast, load 0.7",
    load: 0.7,
    speed: (index) => index === 7 ? 0.2 : 1,
  },
  { ...SLOW, name: "half-slow", title: "half of 20 are half as fast, load 0.85", load: 0.85, speed: halfSlow },
  {
    ...SLOW,
    name: "gc-pauses",
    title: "each of 20 stands still for 0.2 s every 5 s, load 0.6",
    load: 0.6,
    meanShare: GC_SHARE,
    script: collectGarbage,
  },
  {
    ...SLOW,
    name: "brown-out",
    title: "5 of 20 have a fifth of their capacity for 8 s, load 0.6",
    load: 0.6,
    script(fleet) {
      const bad = fleet.servers.slice(0, 5);
      after(fleet, 5_000, () => bad.forEach(({ processor }) => processor.share = 0.2));
      after(fleet, 13_000, () => bad.forEach(({ processor }) => processor.share = 1));
    },
  },
  {
    ...SLOW,
    ...ANTAGONISTS,
    name: "antagonist",
    title: "each of 20 loses half of its capacity for 0.4 s every 1.3 s, load 0.7",
    load: 0.7,
  },
  {
    ...SLOW,
    name: "cold-start",
    title: "3 of 20 restart gracefully and are slow for 10 s, load 0.6",
    load: 0.6,
    script(fleet) {
      const restarted = fleet.servers.slice(0, 3);
      after(fleet, 2_000, () => restarted.forEach((server) => server.drain()));
      after(fleet, 3_500, () => {
        for (const server of restarted) {
          server.interrupt("down");
          server.restore();
          warmUp(fleet, server);
        }
      });
    },
  },
];

const FIVE = { servers: 5, clients: 5, load: 0.4, warmUpSeconds: 10, seconds: 60, meanWorkMs: 10 } as const;

/** What hedging is for, and what it must not make worse. */
export const HEDGING_SHAPES: readonly Shape[] = [
  {
    ...FIVE,
    name: "hedge-tail",
    title: "each of 5 answers 1.5 % of its calls 20 × slower, load 0.4",
    work: (random) => Math.max(1, random.normal(10, 2)),
    script: ({ servers }) => servers.forEach((server) => server.stalling = { share: 0.015, factor: 19 }),
  },
  {
    ...FIVE,
    name: "hedge-one-slow",
    title: "1 of 5 answers everything 20 × slower, load 0.4",
    work: (random) => Math.max(1, random.normal(10, 2)),
    script: ({ servers }) => void (servers[2]!.stalling = { share: 1, factor: 19 }),
  },
];

export const ALL_SHAPES: readonly Shape[] = [...SIZES, ...FAILING_SHAPES, ...SLOW_SHAPES, ...HEDGING_SHAPES];

/** @throws Error for an unknown name. */
export function shapeNamed(name: string): Shape {
  const found = ALL_SHAPES.find((shape) => shape.name === name);
  if (found === undefined) throw new Error(`no shape ${name}: ${ALL_SHAPES.map((shape) => shape.name).join(", ")}`);
  return found;
}
