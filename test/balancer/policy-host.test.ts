import assert from "node:assert/strict";
import { it } from "node:test";
import { PolicyHost } from "../../src/balancer/policy-host.ts";
import type { PolicyEnvironment } from "../../src/policy/policy.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

it("passes on what a policy asks for once a turn, later than its own code, and no more once it is closed", async () => {
  let updates = 0, environment: PolicyEnvironment | undefined;
  const host = new PolicyHost({
    policy: (_, __, env) => {
      environment = env;
      return { pick: () => "wait" };
    },
    clock: new ManualClock(),
    random: () => 0,
    shares: false,
    onUpdate: () => void updates++,
  });
  host.build([]);
  for (let i = 0; i < 3; i++) environment!.update();
  assert.equal(updates, 0);
  await settled();
  assert.equal(updates, 1);
  environment!.update();
  await settled();
  assert.equal(updates, 2);
  environment!.update();
  host.close();
  await settled();
  environment!.update();
  await settled();
  assert.equal(updates, 2);
});
