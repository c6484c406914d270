import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { server as certificate } from "../support/tls.ts";
import { run, start } from "./support.ts";

describe("connect-lb and a real etcd with users", { skip: etcdSkipped }, () => {
  let etcd: Etcd;
  const root = { ETCDCTL_USER: "root:rootpw" }, reader = { ETCDCTL_USER: "reader", ETCDCTL_PASSWORD: "readerpw" };
  const ls = (env: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    run(["ls", ...args], { env: { ETCDCTL_ENDPOINTS: etcd.url, ...env } });

  before(async () => {
    etcd = await startEtcd();
    const ctl = (...args: readonly string[]) => etcdctl(etcd, ...args);
    await ctl("user", "add", "root:rootpw");
    await ctl("user", "add", "reader:readerpw");
    await ctl("role", "add", "reads");
    await ctl("role", "grant-permission", "--prefix=true", "reads", "read", "/grpclb/");
    await ctl("user", "grant-role", "root", "root");
    await ctl("user", "grant-role", "reader", "reads");
    await ctl("auth", "enable");
  });
  after(() => etcd.stop());

  it("registers and lists as the user of etcdctl's variables", async () => {
    const args = ["register", "s", "10.0.0.1:80", "--health", "none", "--ttl", "60"];
    const registering = start(args, { env: { ETCDCTL_ENDPOINTS: etcd.url, ...root } });
    await eventually("it is registered", () => /registered: s at/.test(registering.stderr));
    const listed = await ls(reader, "s", "--no-connect");
    assert.deepEqual([listed.code, listed.stderr], [0, ""]);
    assert.match(listed.stdout, /^ADDRESS +TTL\n10\.0\.0\.1:80 {2}\d+ of 60 s\n$/);
    registering.signal("SIGTERM");
    assert.equal(await registering.exited, 0);
    assert.equal((await ls(reader, "s")).code, 3);
  });

  it("says whose password or permission is wrong, or that there is no user", async () => {
    const wrong = await ls({ ETCDCTL_USER: "reader:wrong" });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /etcd refused: .*\n {2}the user is reader \(ETCDCTL_USER\): check its password/);
    assert.ok(!wrong.stderr.includes("wrong"), "passwords are not shown");
    const denied = await ls(reader, "--prefix", "/secret");
    assert.equal(denied.code, 1);
    assert.match(denied.stderr, /permission denied.*\n.*that it may read the keys under "\/secret\/"/);
    const nobody = await ls({});
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /this etcd wants a user: set ETCDCTL_USER=name:password/);
  });
});

describe("connect-lb and an etcd with TLS", () => {
  const etcd = createMemoryEtcd();
  const caFile = fileURLToPath(new URL("../support/tls/ca.pem", import.meta.url));
  let server: GrpcServer, host: string;
  before(async () => {
    server = createGrpcServer({ routes: etcd.routes, tls: certificate });
    host = (await server.listen({ host: "127.0.0.1", port: 0 })).address;
  });
  after(async () => {
    await etcd.close();
    server.closeAllConnections();
    await server.close();
  });

  it("trusts the CA that it is given", async () => {
    for (const env of [{ ETCDCTL_CACERT: caFile }, { ETCDCTL_INSECURE_SKIP_TLS_VERIFY: "true" }]) {
      const reached = await run(["ls"], { env: { ETCDCTL_ENDPOINTS: `https://${host}`, ...env } });
      assert.equal(reached.code, 3, reached.stderr);
    }
    const bare = await run(["ls", "--endpoints", host, "--cacert", caFile]);
    assert.equal(bare.code, 3, "without a scheme, TLS is what its options are for");
  });

  it("says what to do about a CA that is unknown, and about TLS at one end", async () => {
    const unknown = await run(["ls", "--endpoints", `https://${host}`]);
    assert.equal(unknown.code, 4);
    assert.match(unknown.stderr, /isn't trusted: give the CA that signed it with --cacert or ETCDCTL_CACERT/);
    const plain = await run(["ls", "--endpoints", `http://${host}`]);
    assert.equal(plain.code, 4);
    assert.match(plain.stderr, /if that etcd uses TLS, give https:\/\//);
  });
});
