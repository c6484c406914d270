import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { missing, skipped, whatToDo } from "./system.ts";

const VARIABLES = ["CONNECT_LB_SKIP_SYSTEM", "CONNECT_LB_SKIP_ETCD", "CONNECT_LB_SKIP_PEERS", "PATH"];

describe("programs that tests need from the system", () => {
  const before = new Map<string, string | undefined>();
  beforeEach(() => {
    for (const name of VARIABLES) before.set(name, process.env[name]);
    for (const name of VARIABLES.slice(0, 3)) delete process.env[name];
  });
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it("are left out all together by one variable, and by group by two others", () => {
    assert.deepEqual([skipped("etcd"), skipped("peers")], [false, false]);
    process.env["CONNECT_LB_SKIP_PEERS"] = "1";
    assert.equal(skipped("etcd"), false);
    assert.match(
      `${skipped("peers")}`,
      /^CONNECT_LB_SKIP_PEERS=1 leaves out .* nginx, haproxy, nghttpd, nghttp, h2load and curl$/,
    );
    process.env["CONNECT_LB_SKIP_SYSTEM"] = "1";
    const all =
      /^CONNECT_LB_SKIP_SYSTEM=1 leaves out tests that need etcd, etcdctl, nginx, haproxy, nghttpd, nghttp, h2load, curl and chromium$/;
    assert.match(`${skipped("etcd")}`, all);
    assert.match(`${skipped("peers")}`, all);
  });

  it("are looked for on the PATH", () => {
    const folder = mkdtempSync(join(tmpdir(), "connect-lb-system-"));
    for (const name of ["etcd", "etcdctl"]) writeFileSync(join(folder, name), "");
    process.env["PATH"] = `/nowhere:${folder}`;
    assert.deepEqual(missing(["etcd"]), []);
    rmSync(folder, { recursive: true });
  });

  it("are listed with the commands that install them, and the variable that leaves their tests out", () => {
    const text = whatToDo(["etcd", "nghttpd"], ["etcd", "peers"]);
    assert.match(text, /^Tests need etcd and nghttpd, which can't be found\./);
    assert.match(text, /sudo apt-get install --no-install-recommends etcd-server nghttp2-server\n/);
    assert.match(text, /brew install etcd nghttp2\n/);
    assert.match(text, /CONNECT_LB_SKIP_SYSTEM=1 npm test$/);
    assert.match(whatToDo(["etcd"], ["etcd"]), /CONNECT_LB_SKIP_ETCD=1 npm test$/);
  });
});
