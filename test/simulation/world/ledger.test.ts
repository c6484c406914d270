import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planOf } from "../plan/plan-of-seed.ts";
import type { CallRecord } from "./ledger.ts";
import { World } from "./world.ts";

function callOf(number: number, parts: Partial<CallRecord>): CallRecord {
  return {
    id: `client0/${number}`,
    client: "client0",
    kind: "write",
    key: "0",
    startedMs: 0,
    timeoutMs: 1_000,
    givenUp: false,
    over: false,
    processed: [],
    poisonous: false,
    poisoned: 0,
    ends: 0,
    endedMs: undefined,
    code: undefined,
    error: undefined,
    mark: undefined,
    ...parts,
  };
}

/** What a world finds broken when a server processes a call after many others have ended. */
function processedLate(parts: Partial<CallRecord>, ...servers: string[]): string | undefined {
  const world = new World(planOf(1), false), call = callOf(0, { processed: ["server0:1"], ...parts });
  world.began(call);
  world.ledger.ended(call, 1);
  for (let i = 1; i <= 30_000; i++) {
    const other = callOf(i, { processed: ["server0:1"] });
    world.ledger.began(other);
    world.ledger.ended(other, 1);
  }
  assert.notEqual(world.ledger.find("client0/0"), call, "it is not kept");
  for (const server of servers) world.processing("client0/0", server);
  return world.failure?.what;
}

describe("the ledger of calls", () => {
  it("knows of calls that ended long ago what must not be done with them any more", () => {
    assert.match(processedLate({}, "server1:1")!, /was processed by a server long ago and server1:1/);
    assert.match(processedLate({ processed: [], mark: "refused" }, "server1:1")!, /its caller was told: refused/);
    assert.match(processedLate({ processed: [] }, "server1:1", "server2:1")!, /long ago and server2:1/);
  });

  it("lets those be processed that may be", () => {
    assert.equal(processedLate({ processed: [], mark: undefined }, "server1:1"), undefined);
    assert.equal(processedLate({ kind: "read" }, "server1:1", "server2:1"), undefined);
  });

  it("knows which calls nobody made", () => {
    const world = new World(planOf(1), false);
    world.processing("client0/7", "server0:1");
    assert.match(world.failure!.what, /which nobody made/);
  });
});
