import {
  leastRequest,
  peakEwma,
  pickFirst,
  type Policy,
  prequal,
  random,
  rendezvousHash,
  ringHash,
  roundRobin,
  slowStart,
  subset,
  weightedRoundRobin,
} from "../../../src/index.ts";

/** The policies that clients have, by name. Those that go by load are made to do so in worlds as small as these. */
export const POLICIES: Readonly<Record<string, () => Policy>> = {
  leastRequest,
  loadReports: () => weightedRoundRobin({ loadReports: { blackoutPeriodMs: 1_000 } }),
  loadReportsOutOfBand: () => weightedRoundRobin({ loadReports: { outOfBandPeriodMs: 2_000 } }),
  peakEwma,
  pickFirst,
  prequal: () => prequal({ minServers: 2 }),
  random,
  rendezvousHash,
  ringHash,
  roundRobin,
  slowStart: () => slowStart({ windowMs: 10_000 }, roundRobin()),
  subset: () => subset({ size: 2 }, leastRequest()),
  weightedRoundRobin,
};
