// `renew` and `deregister`, over each driver on a real etcd.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import type { Registry, RenewOptions } from "../../src/registry/registry.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { driverKinds } from "./drivers.ts";

const server: RenewOptions = { service: "a", address: "10.0.0.5:8000", ttlSeconds: 60 };
const KEY = "/grpclb/a/10.0.0.5:8000";

for (const { name, create } of driverKinds) {
  describe(`renew and deregister, over ${name} on a real etcd`, () => {
    const skip = etcdSkipped;
    let etcd: Etcd | undefined;
    const opened: Registry[] = [];
    const open = () => {
      const registry = createRegistryOver(create, { endpoints: [(etcd as Etcd).url] });
      opened.push(registry);
      return registry;
    };
    const keys = async () => (await etcdctl(etcd as Etcd, "get", "--prefix", "--keys-only", "/grpclb/")).trim();
    before(async () => {
      if (!skip) etcd = await startEtcd();
    });
    afterEach(async () => {
      for (const registry of opened.splice(0)) await registry.close();
    });
    after(() => etcd?.stop());

    it("an entry is written, renewed by another registry, and gone at once when it is removed", { skip }, async () => {
      const first = open(), second = open();
      const renewals = await Promise.all([first.renew(server), second.renew(server)]);
      assert.ok(renewals.includes("registered"));
      assert.equal(await keys(), KEY);
      await first.close();
      assert.equal(await second.renew(server), "renewed");
      await etcdctl(etcd as Etcd, "del", KEY);
      assert.equal(await second.renew(server), "registered");
      await second.deregister(server);
      assert.equal(await keys(), "");
      assert.doesNotMatch(await etcdctl(etcd as Etcd, "lease", "list"), /[0-9a-f]{16}/);
      await second.deregister(server);
    });

    it("an entry that nobody renews ends with its lease, and is then written again", { skip }, async () => {
      const registry = open();
      const brief = { ...server, ttlSeconds: 2 };
      assert.equal(await registry.renew(brief), "registered");
      await eventually("it is gone", async () => await keys() === "");
      assert.equal(await registry.renew(brief), "registered");
      assert.equal(await keys(), KEY);
      await registry.deregister(brief);
    });
  });
}
