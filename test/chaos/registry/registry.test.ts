// The scenarios of the registry in their short forms, on the runtime that runs this, over each driver.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { etcdSkipped } from "../../support/etcd.ts";
import { runtime } from "../../support/process.ts";
import { DRIVERS, type RegistryOutcome, runScenario } from "./lab.ts";
import { quickScenarios } from "./scenarios.ts";

const AT_ONCE = 3;

describe("a registry in etcd, when things go wrong", () => {
  // Some at once: each has an etcd of its own, and most of the time they wait.
  const outcomes = new Map<string, Promise<readonly RegistryOutcome[]>>();
  before(() => {
    if (etcdSkipped) return;
    const lanes = Array.from({ length: AT_ONCE }, () => Promise.resolve<unknown>(undefined));
    for (const [i, scenario] of quickScenarios.entries()) {
      const outcome = lanes[i % AT_ONCE]!.then(() => runScenario(scenario, [runtime], DRIVERS, true));
      lanes[i % AT_ONCE] = outcome;
      outcomes.set(scenario.name, outcome);
    }
  });

  for (const { name, title } of quickScenarios) {
    it(title, { skip: etcdSkipped }, async () => {
      const broken = (await outcomes.get(name) ?? []).flatMap(({ driver, broken }) =>
        broken.map((why) => `${driver}: ${why}`)
      );
      assert.deepEqual(broken, []);
    });
  }
});
