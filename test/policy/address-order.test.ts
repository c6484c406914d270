import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inResolverOrder, Shuffling } from "../../src/policy/address-order.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { fakeConnection, mulberry32, weighted } from "../support/fake-connections.ts";

const addresses = (connections: readonly Connection[]) => connections.map(({ endpoint }) => endpoint.address);

/** Connections in address order, as a policy gets them, with their places in the resolver's list. */
function listed(...list: string[]): Connection[] {
  return list.map((address, place) => fakeConnection(address, { place }))
    .sort((a, b) => a.endpoint.address < b.endpoint.address ? -1 : 1);
}

describe("the order in which endpoints are tried", () => {
  it("is the resolver's", () => {
    assert.deepEqual(addresses(inResolverOrder(listed("c:1", "a:1", "b:1"))), ["c:1", "a:1", "b:1"]);
    assert.deepEqual(inResolverOrder([]), []);
  });

  it("lets the families take turns, beginning with that of the first", () => {
    assert.deepEqual(
      addresses(inResolverOrder(listed("[::1]:1", "[::2]:1", "10.0.0.1:1", "[::3]:1", "10.0.0.2:1"))),
      ["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"],
    );
    assert.deepEqual(
      addresses(inResolverOrder(listed("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "[::1]:1", "host:1", "unix:/s"))),
      ["10.0.0.1:1", "[::1]:1", "host:1", "10.0.0.2:1", "unix:/s", "10.0.0.3:1"],
    );
  });

  it("puts each endpoint first as often as its weight says, when it is shuffled", () => {
    const random = mulberry32(3);
    const cases: [(number | undefined)[], number[]][] = [
      [[undefined, undefined, undefined], [1, 1, 1]],
      [[3, 1, undefined], [3, 1, 2]],
      [[8, 1, 1], [8, 1, 1]],
      [[1e300, 1, 1], [100, 1, 1]],
    ];
    for (const [weights, shares] of cases) {
      const connections = weighted(weights), first = weights.map(() => 0);
      for (let i = 0; i < 20_000; i++) first[new Shuffling(random).order(connections)[0]!.place]!++;
      const sum = shares.reduce((a, b) => a + b);
      shares.forEach((share, i) => assert.ok(Math.abs(first[i]! - share / sum * 20_000) < 300, `${weights}: ${first}`));
    }
  });

  it("stays as it was among those that stay, when others come and go", () => {
    const shuffling = new Shuffling(mulberry32(5));
    const connections = weighted(Array.from({ length: 20 }, () => undefined));
    const before = shuffling.order(connections.slice(0, 15)), after = shuffling.order(connections.slice(5));
    const staying = (order: readonly Connection[]) => order.filter(({ place }) => place >= 5 && place < 15);
    assert.deepEqual(staying(after), staying(before));
    assert.notDeepEqual(addresses(after), addresses(inResolverOrder(connections.slice(5))));
  });
});
