import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import type { Setting } from "../backend.ts";

/** How many operations a transaction may have. */
const AT_ONCE = 64;

/** What holds for services of which Consul's agent doesn't know, only the catalog. */
export function catalogStatements(setting: () => Setting): void {
  it("resolves a thousand instances of a service, of another node, and follows them", async () => {
    const at = setting(), count = 1_000, Node = "external";
    const addresses = Array.from({ length: count }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    const consumer = at.consumer(at.registry().resolver("large"));
    await consumer.has("");
    await at.ask("catalog/register", { Node, Address: "10.0.0.9", NodeMeta: { zone: "far" } });
    const operations = addresses.map((Address) => {
      return { Service: { Verb: "set", Node, Service: { ID: Address, Service: "large", Address, Port: 80 } } };
    });
    for (let i = 0; i < count; i += AT_ONCE) await at.ask("txn", operations.slice(i, i + AT_ONCE));
    await eventually("it has all", () => consumer.last?.endpoints?.length === count);
    assert.equal(new Set(consumer.last!.endpoints!.map(({ address }) => address)).size, count);
    assert.ok(consumer.last!.endpoints!.every(({ zone, weight }) => zone === "far" && weight === 1));
    await at.ask("catalog/deregister", { Node, ServiceID: addresses[0] });
    await eventually("it has one less", () => consumer.last?.endpoints?.length === count - 1);
    await at.ask("catalog/deregister", { Node });
    await consumer.has("");
    assert.ok(at.sent.length < 60, `${at.sent.length} queries`);
  });
}
