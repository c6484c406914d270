import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePorts } from "../support/etcd.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run } from "./support.ts";

describe("where etcd is", () => {
  let etcd: ServedEtcd, dead: string, folder: string;
  const ls = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => run(["ls", ...args], { env });

  before(async () => {
    etcd = await serveMemoryEtcd();
    await etcd.register({ service: "s", address: "10.0.0.1:1" });
    const [port] = await freePorts(1);
    dead = `http://127.0.0.1:${port}`;
    folder = mkdtempSync(join(tmpdir(), "connect-lb-cli-"));
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await etcd.close();
  });

  it("is said by --endpoints, or CONNECT_LB_ETCD, or ETCDCTL_ENDPOINTS, in this order", async () => {
    assert.equal((await ls([], { ETCDCTL_ENDPOINTS: etcd.url })).code, 0);
    assert.equal((await ls([], { CONNECT_LB_ETCD: etcd.url, ETCDCTL_ENDPOINTS: dead })).code, 0);
    assert.equal((await ls(["--endpoints", etcd.url], { CONNECT_LB_ETCD: dead })).code, 0);
    assert.equal((await ls([`--endpoints=${dead}, ${etcd.url}`])).code, 0, "the next one is tried");
    assert.equal((await ls([], { ETCDCTL_ENDPOINTS: new URL(etcd.url).host })).code, 0, "without a scheme");
  });

  it("is part of the error if it can't be reached, with the variable that says so", async () => {
    const { code, stdout, stderr } = await ls([], { ETCDCTL_ENDPOINTS: dead });
    assert.deepEqual([code, stdout], [4, ""]);
    assert.match(stderr, /^connect-lb ls: can't reach etcd: .*ECONNREFUSED/);
    assert.ok(stderr.includes(`\n  tried ${dead}, from ETCDCTL_ENDPOINTS\n`), stderr);
    assert.match(stderr, /For development: connect-lb etcd/);
    assert.equal((await ls(["s"], { ETCDCTL_ENDPOINTS: dead })).code, 4);
  });

  it("is refused if it is no address, and its password is not shown", async () => {
    const wrong = await ls([], { CONNECT_LB_ETCD: "ftp://x" });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /CONNECT_LB_ETCD: etcd endpoint "ftp:\/\/x" has the scheme "ftp"/);
    const secret = await ls(["--endpoints", "http://root:hunter2@127.0.0.1:2379"]);
    assert.equal(secret.code, 2);
    assert.match(secret.stderr, /--endpoints has user information/);
    assert.ok(!secret.stderr.includes("hunter2"));
  });

  it("takes a user from ETCDCTL_USER, and no password as an argument", async () => {
    const flag = await ls(["--user", "root:hunter2"]);
    assert.equal(flag.code, 2);
    assert.match(flag.stderr, /--user holds a password.*\n.*ETCDCTL_USER=name:password/);
    assert.ok(!flag.stderr.includes("hunter2"));
    const none = await ls(["--user", "root"]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /the user "root" \(--user\) has no password/);
    assert.match((await ls(["--password-file", "x"])).stderr, /--password-file needs a user/);

    // The etcd in memory has no users, and says so: a password that was sent is no error.
    const file = join(folder, "password");
    writeFileSync(file, "hunter2\n");
    for (const env of [{ ETCDCTL_USER: "root:hunter2" }, { ETCDCTL_USER: "root", ETCDCTL_PASSWORD: "hunter2" }]) {
      assert.equal((await ls(["--endpoints", etcd.url], env)).code, 0);
    }
    assert.equal((await ls(["--endpoints", etcd.url, "--user", "root", "--password-file", file])).code, 0);
  });

  it("takes TLS from files, and says which one is wrong", async () => {
    const https = ["--endpoints", "https://127.0.0.1:1"];
    const missing = await ls([...https, "--cacert", join(folder, "none.pem")]);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /--cacert: can't read ".*none\.pem": ENOENT/);
    const file = join(folder, "text");
    writeFileSync(file, "no certificate");
    assert.match((await ls(https, { ETCDCTL_CACERT: file })).stderr, /ETCDCTL_CACERT: ".*" is not PEM/);
    assert.match((await ls([...https, "--cert", file])).stderr, /--cert needs --key beside it/);
    assert.match(
      (await ls(["--endpoints", etcd.url, "--cacert", file])).stderr,
      /--cacert is for TLS, which http:.* doesn't use/,
    );
    // etcdctl's variables may be set for another etcd.
    assert.equal((await ls(["--endpoints", etcd.url], { ETCDCTL_CACERT: file })).code, 0);
  });

  it("has the layout of --layout, and a prefix if that has one", async () => {
    assert.match((await ls(["--layout", "kratoss"])).stderr, /did you mean kratos\?/);
    const prefixed = await ls(["--layout", "kratos"], { CONNECT_LB_PREFIX: "/x" });
    assert.equal(prefixed.code, 2);
    assert.match(prefixed.stderr, /CONNECT_LB_PREFIX goes with grpclb and etcdNaming/);
  });

  it("answers within --timeout, a duration", async () => {
    for (const wrong of ["soon", "0", "-1s", "1d"]) {
      assert.equal((await ls([`--timeout=${wrong}`])).code, 2, wrong);
    }
    assert.match((await ls(["--timeout", "soon"])).stderr, /--timeout is "soon": expected a duration such as 500ms/);
    assert.equal((await ls(["--endpoints", etcd.url, "--timeout", "2.5s"])).code, 0);
  });
});
