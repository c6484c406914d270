// What a registration does when its connection to etcd is lost, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import { ConnectionLosses } from "../../src/etcd/registration/connection-losses.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

function setUp() {
  const etcd = new FakeEtcd(), clock = new ManualClock(), heard: string[] = [];
  const endpoints = [{ address: "e1:1" }, { address: "e2:1" }];
  const client = new EtcdClient({ driver: etcd, endpoints, clock, random: () => 0.5, state: { start: 0 } });
  const cursor = client.cursor();
  const losses = new ConnectionLosses(client, cursor, () => heard.push("lost"), () => heard.push("reconnect"));
  /** Loses the connection, and returns after which delays it reconnects. */
  const lose = (address = "e1:1") => {
    etcd.lose(address);
    return clock.pending;
  };
  return { clock, cursor, heard, losses, lose };
}

describe("the losses of the connection to etcd", () => {
  it("are reported at once, and followed by a reconnect after a random part of a second", async () => {
    const { clock, heard, lose } = setUp();
    assert.deepEqual(lose(), [500]);
    assert.deepEqual(heard, ["lost"]);
    await clock.advance(500);
    assert.deepEqual([heard, clock.pending], [["lost", "reconnect"], []]);
  });

  it("share one reconnect while it is due", async () => {
    const { clock, heard, lose } = setUp();
    lose();
    await clock.advance(300);
    assert.deepEqual(lose(), [200]);
    await clock.advance(200);
    assert.deepEqual(heard, ["lost", "lost", "reconnect"]);
  });

  it("are followed later and later, up to half a minute, until there was none for 10 s", async () => {
    const { clock, lose } = setUp();
    const delays: number[] = [];
    for (let n = 0; n < 5; n++) {
      delays.push(...lose());
      await clock.advance(9_999);
    }
    assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000]);
    assert.deepEqual(lose(), [15_000]);
    await clock.advance(9_999);
    assert.deepEqual(lose(), [5_001]);
    await clock.advance(9_999);
    assert.deepEqual(lose(), [15_000]);
    await clock.advance(20_000);
    assert.deepEqual(lose(), [500]);
    await clock.advance(9_999);
    assert.deepEqual(lose(), [1_000]);
    await clock.advance(10_000);
    assert.deepEqual(lose(), [500]);
  });

  it("concern the endpoint that the cursor is at", () => {
    const { cursor, heard, lose } = setUp();
    assert.deepEqual(lose("e2:1"), []);
    cursor.next();
    assert.deepEqual(lose("e1:1"), []);
    assert.deepEqual(lose("e2:1"), [500]);
    assert.deepEqual(heard, ["lost"]);
  });

  it("mean nothing once it is stopped", () => {
    const { clock, heard, losses, lose } = setUp();
    lose();
    losses.stop();
    assert.deepEqual([clock.pending, lose(), heard], [[], [], ["lost"]]);
  });
});
