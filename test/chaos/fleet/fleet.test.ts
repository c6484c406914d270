// A small fleet, on the runtime that runs this, against a real etcd whose passwords cost what they usually do.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { etcdSkipped } from "../../support/etcd.ts";
import { runtime } from "../../support/process.ts";
import { Fleet } from "./fleet.ts";

describe("programs with an etcd user that start together", () => {
  for (const driver of ["connect", "etcd3"] as const) {
    it(`over ${driver}: each registers with one authentication, and keeps its key when etcd is restarted`, {
      skip: etcdSkipped,
      timeout: 150_000,
    }, async () => {
      const programs = 4;
      const fleet = await Fleet.start();
      try {
        await fleet.register({ programs, runtime, driver, ttlSeconds: 60 }, 120_000);
        assert.deepEqual([...fleet.said.keys()].sort(), ["event registered ", "registered", "up"]);
        assert.equal(await fleet.restart(0), 0);
      } finally {
        await fleet.end();
      }
    });
  }
});
