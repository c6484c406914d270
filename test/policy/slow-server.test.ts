import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Shape } from "../../bench/fleet/model/shape.ts";
import { simulate } from "../../bench/fleet/model/simulate.ts";
import { leastRequest, peakEwma, type Policy } from "../../src/index.ts";

/** One of ten servers is ten times slower. The load is that of ten equally fast ones. */
const shape: Shape = {
  name: "one of ten",
  title: "1 of 10 servers is a tenth as fast",
  servers: 10,
  clients: 4,
  cores: 1,
  load: 0.7,
  meanShare: 10 / 9.1,
  warmUpSeconds: 5,
  seconds: 15,
  speed: (index) => index === 3 ? 0.1 : 1,
};

describe("a server that is ten times slower than nine others", () => {
  for (const [name, policy] of Object.entries<() => Policy>({ leastRequest, peakEwma })) {
    it(`gets less than 15 % of its even share from ${name}() at 70 % load`, async () => {
      const { arrived } = await simulate(shape, { name, options: () => ({ policy: policy() }) }, 1);
      const even = arrived.reduce((sum, calls) => sum + calls, 0) / arrived.length;
      assert.ok(arrived[3]! < 0.15 * even, `${(100 * arrived[3]! / even).toFixed(1)} % of its even share`);
    });
  }
});
