// What `connect-lb doctor` finds in an etcd with users, and in a cluster.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Etcd, etcdctl, etcdSkipped, startEtcd, startEtcdCluster } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { doctor, hasFinding } from "./doctor-report.ts";

describe("connect-lb doctor, of an etcd with users", { skip: etcdSkipped }, () => {
  let etcd: Etcd;
  before(async () => {
    etcd = await startEtcd({ args: ["--bcrypt-cost=4"] });
    for (const [name, password] of [["root", "rootpw"], ["ann", "annpw"], ["bob", "bobpw"]] as const) {
      await etcdctl(etcd, "user", "add", `${name}:${password}`);
    }
    await etcdctl(etcd, "role", "add", "reader");
    await etcdctl(etcd, "role", "grant-permission", "reader", "--prefix=true", "read", "/grpclb/");
    await etcdctl(etcd, "user", "grant-role", "ann", "reader");
    await etcdctl(etcd, "user", "grant-role", "root", "root");
    await etcdctl(etcd, "put", "/grpclb/guarded/127.0.0.1:9", "127.0.0.1:9");
    await etcdctl(etcd, "auth", "enable");
  });
  after(() => etcd?.stop());

  it("finds a wrong password, a missing user and a missing permission", async () => {
    const wrong = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "ann:secret" });
    hasFinding(wrong, /etcd does not accept the user ann with this password/, /ETCDCTL_USER=NAME:PASSWORD/);
    assert.doesNotMatch(JSON.stringify(wrong), /secret/);
    hasFinding(
      await doctor(etcd.url, ["guarded"]),
      /etcd requires a user, and none was given/,
      /ETCDCTL_USER=NAME:PASSWORD/,
    );
    const bob = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "bob:bobpw" });
    hasFinding(bob, /the user bob may not read the keys below \/grpclb\/guarded\//, /grant-permission ROLE readwrite/);
  });

  it("reads what a user may read, although not all of etcd", async () => {
    const { findings } = await doctor(etcd.url, ["guarded"], { ETCDCTL_USER: "ann:annpw" });
    assert.doesNotMatch(JSON.stringify(findings), /may not read|does not accept/);
    assert.match(JSON.stringify(findings), /nothing listens/);
  });
});

describe("connect-lb doctor, of an etcd cluster", { skip: etcdSkipped }, () => {
  it("finds that it has lost its quorum", async () => {
    const members = await startEtcdCluster(3);
    try {
      const urls = members.map(({ url }) => url).join(",");
      assert.match(JSON.stringify(await doctor(urls, [])), /"version"/);
      await Promise.all(members.slice(1).map((member) => member.kill()));
      const [survivor] = members;
      // It knows of it after its election timeout.
      await eventually("it knows no leader", async () => {
        const report = await doctor(survivor!.url, ["--timeout", "500ms"]);
        hasFinding(report, /etcd has no quorum: this member knows no leader/, /start the other members again/);
        return true;
      });
      const all = await doctor(urls, ["--timeout", "500ms"]);
      hasFinding(all, /etcd has no quorum/, /etcdctl endpoint status --cluster/, /^etcd /);
      hasFinding(all, /etcd can't be reached/, /start etcd there/);
    } finally {
      await Promise.all(members.map((member) => member.stop()));
    }
  });
});
