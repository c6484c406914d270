import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { after, before, describe, it } from "node:test";
import {
  dubboApplication,
  dubboInterface,
  etcdNaming,
  goMicro,
  goZero,
  grpclb,
  kitex,
  kratos,
  wonaming,
  wwcdGrpcLb,
} from "../../src/etcd.ts";
import { freePorts } from "../support/etcd.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run } from "./support.ts";

describe("connect-lb ls", () => {
  let etcd: ServedEtcd, server: Server, address: string, closed: string;
  const ls = (...args: readonly string[]) => run(["ls", ...args], { env: { CONNECT_LB_ETCD: etcd.url } });

  before(async () => {
    etcd = await serveMemoryEtcd();
    server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    const [port] = await freePorts(1);
    closed = `127.0.0.1:${port}`;
    await etcd.register({ service: "simple_grpc", address, ttlSeconds: 60 });
    await etcd.register({ service: "simple_grpc", address: closed, ttlSeconds: 60 });
    await etcd.register({ service: "other", address: "10.0.0.9:1", ttlSeconds: 60 });
    await etcd.register({ service: "user/admin", address, zone: "eu-1", weight: 3, metadata: { v: "2" } }, kratos());
  });
  after(async () => {
    server.close();
    await etcd.close();
  });

  it("lists the services with the number of their endpoints, in the layout that is asked for", async () => {
    const grpclb = ["--layout", "grpclb"];
    assert.deepEqual(await ls(...grpclb), {
      code: 0,
      stdout: "SERVICE      ENDPOINTS\nother                1\nsimple_grpc          2\n",
      stderr: "",
    });
    assert.equal((await ls("-o", "name", ...grpclb)).stdout, "other\nsimple_grpc\n");
    assert.deepEqual(JSON.parse((await ls("-o", "json", ...grpclb)).stdout), [
      { service: "other", endpoints: 1, entries: 1, layout: "grpclb" },
      { service: "simple_grpc", endpoints: 2, entries: 2, layout: "grpclb" },
    ]);
  });

  it("recognises layouts from keys and values, and shows several apart", async () => {
    const { code, stdout, stderr } = await ls();
    assert.equal(code, 0);
    assert.equal(
      stdout,
      "LAYOUT  SERVICE      ENDPOINTS\n" +
        "grpclb  other                1\ngrpclb  simple_grpc          2\nkratos  user/admin           1\n",
    );
    assert.match(stderr, /registered in several layouts, and clients see those of one: grpclb, kratos\n/);
    const listed = JSON.parse((await ls("-o", "json")).stdout) as { service: string; layout: string }[];
    assert.deepEqual(listed.map(({ service, layout }) => `${layout} ${service}`), [
      "grpclb other",
      "grpclb simple_grpc",
      "kratos user/admin",
    ]);
  });

  it("finds a service in the layout that it is in, says which one, and shows the endpoints of several apart", async () => {
    const one = await ls("user/admin", "--no-connect");
    assert.match(one.stdout, /^ADDRESS +ZONE +WEIGHT +TTL\n127\.0\.0\.1:\d+ +eu-1 +3 /);
    assert.match(one.stderr, /recognised the layout of go-kratos: --layout kratos, in programs layout: kratos\(\)\n/);
    assert.deepEqual([(await ls("user/admin", "--layout", "grpclb")).code, one.code], [2, 0]);
    const both = await serveMemoryEtcd();
    const from = { env: { CONNECT_LB_ETCD: both.url } };
    try {
      const layouts = [grpclb(), kitex(), goZero(), etcdNaming({ prefix: "team/x" }), goMicro(), dubboApplication()];
      layouts.push(dubboInterface(), wonaming(), wwcdGrpcLb());
      for (const [i, layout] of layouts.entries()) {
        await both.register({ service: "s", address: `10.0.0.${i}:80`, ttlSeconds: 60 }, layout);
      }
      await both.put("/config/feature", "on");
      const { stdout } = await run(["ls", "s", "--no-connect"], from);
      const rows = stdout.trimEnd().split("\n").slice(1).map((row) => row.split(/ {2,}/).slice(0, 2).join(" "));
      assert.equal(rows[0], "grpclb 10.0.0.0:80");
      assert.deepEqual(rows.toSorted(), [
        "dubboApplication 10.0.0.5:80",
        "dubboInterface 10.0.0.6:80",
        "etcdNaming team/x 10.0.0.3:80",
        "goMicro 10.0.0.4:80",
        "goZero 10.0.0.2:80",
        "grpclb 10.0.0.0:80",
        "kitex 10.0.0.1:80",
        "wonaming 10.0.0.7:80",
        "wwcdGrpcLb 10.0.0.8:80",
      ]);
      assert.equal(
        (await run(["ls", "--layout", "dubboInterface"], from)).stdout,
        "SERVICE  ENDPOINTS\ns                1\n",
      );
    } finally {
      await both.close();
    }
  });

  it("lists the endpoints of one with the time that their leases have left, and whether they can be reached", async () => {
    const { code, stdout, stderr } = await ls("simple_grpc");
    assert.deepEqual([code, stderr], [0, ""]);
    const [title, ...rows] = stdout.trimEnd().split("\n");
    assert.match(title!, /^ADDRESS +TTL {2}REACHABLE$/);
    const rowOf = (of: string) => rows.find((row) => row.startsWith(`${of} `)) ?? "";
    assert.match(rowOf(address), /^\S+ +(5\d|60) of 60 s {2}yes, [\d.]+ ms$/);
    assert.match(rowOf(closed), /^\S+ +(5\d|60) of 60 s {2}no: ECONNREFUSED$/);
  });

  it("shows zone and weight, and as JSON everything, in the layout that is asked for", async () => {
    const table = await ls("user/admin", "--layout", "kratos", "--no-connect");
    assert.match(table.stdout, /^ADDRESS +ZONE +WEIGHT +TTL\n127\.0\.0\.1:\d+ +eu-1 +3 +\d+ of 10 s\n$/);
    const [endpoint] = JSON.parse((await ls("user/admin", "--layout", "kratos", "-o", "json")).stdout) as [
      Record<string, unknown>,
    ];
    const { lease, connectMs, ttlSeconds, metadata, ...rest } = endpoint;
    assert.match(lease as string, /^[0-9a-f]+$/);
    assert.deepEqual([typeof connectMs, typeof ttlSeconds], ["number", "number"]);
    assert.equal((metadata as Record<string, unknown>)["v"], "2");
    assert.deepEqual(rest, {
      service: "user/admin",
      address,
      weight: 3,
      zone: "eu-1",
      layout: "kratos",
      key: `/microservices/user/admin/${address}`,
      grantedTtlSeconds: 10,
      reachable: true,
    });
  });

  it("shows addresses alone, as other programs take them", async () => {
    const { stdout } = await ls("simple_grpc", "-o", "name", "--no-connect");
    assert.deepEqual(stdout.trimEnd().split("\n").toSorted(), [address, closed].toSorted());
  });

  it("says which services there are when one has no endpoints, and ends with 3", async () => {
    const { code, stdout, stderr } = await ls("simple_gprc");
    assert.deepEqual([code, stdout], [3, ""]);
    assert.match(stderr, /no endpoints of "simple_gprc" in etcd at http:\S+ \(CONNECT_LB_ETCD\)/);
    assert.match(stderr, /did you mean simple_grpc\?\n {2}registered there: other, simple_grpc\n/);
    assert.match(stderr, /looked under \/grpclb\/simple_gprc\//);
  });

  it("ends with 3 when nothing is registered, and says where it looked", async () => {
    const { code, stdout, stderr } = await ls("--prefix", "/nothing");
    assert.deepEqual([code, stdout], [3, ""]);
    assert.match(stderr, /looked at the keys under \/nothing\/, for the layout grpclb/);
    for (const args of [["--prefix", "/nothing"], ["nothing"]]) {
      const json = await ls(...args, "-o", "json");
      assert.deepEqual([json.code, json.stdout], [3, "[]\n"]);
    }
  });

  it("leaves out what can't be read and says so, with hostile text escaped; an entry without a lease never expires", async () => {
    await etcd.put("/grpclb/odd/a", "10.0.0.1:80");
    await etcd.put("/grpclb/odd/\u001b[2J", "\u202enot an address");
    await etcd.put("/grpclb/odd/b", "10.0.0.1:80");
    const { code, stdout, stderr } = await ls("odd", "--no-connect");
    assert.equal(code, 0);
    assert.equal(stdout, "ADDRESS                TTL\n10.0.0.1:80  never expires\n");
    assert.match(
      stderr,
      /left out, because it can't be read: \/grpclb\/odd\/\\u001b\[2J: address "\\u202enot an address"/,
    );
    assert.match(stderr, /1 more key names one of these addresses/);
    assert.match((await ls()).stdout, /^grpclb +odd +1 {2}3 keys: some can't be read, or name the same address$/m);
  });

  it("reads every layout", async () => {
    await etcd.register({ service: "s", address: "10.0.0.3:80" }, etcdNaming({ prefix: "team" }));
    const { stdout } = await ls("s", "--layout", "etcdnaming", "--prefix", "team", "-o", "name", "--no-connect");
    assert.equal(stdout, "10.0.0.3:80\n");
    assert.equal((await ls("--layout", "kratos", "-o", "name")).stdout, "user/admin\n");
    assert.equal((await ls("--layout", "kitex")).code, 3);
  });

  it("and call say of a service whose entries can't be read that there are some, and not that it may be another", async () => {
    await etcd.put("/grpclb/wild/0.0.0.0:80", "0.0.0.0:80");
    for (const args of [["ls", "wild"], ["call", "wild", "a.B/C"]]) {
      const { code, stderr } = await run(args, { env: { CONNECT_LB_ETCD: etcd.url } });
      assert.equal(code, 3);
      assert.match(stderr, /it has 1 key, which can't be read; connect-lb doctor wild says why\n/);
      assert.doesNotMatch(stderr, /did you mean/);
    }
  });

  it("refuses names that no service can have", async () => {
    const { code, stderr } = await ls("a/b");
    assert.equal(code, 2);
    assert.match(stderr, /service name "a\/b" contains a "\/"/);
  });
});
