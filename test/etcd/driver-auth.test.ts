// Users, passwords and tokens with each driver.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { kindOfText } from "../../src/etcd/driver/failure.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { bytes, driverKinds, onEndpoint, type OpenedDriver, range } from "./drivers.ts";

const skip = etcdSkipped;

describe("an authentication that was never sent", () => {
  for (const { name, create } of driverKinds) {
    it(`${name}: is distinguished from one that etcd may have processed`, async () => {
      const nobody = await startTcpProxy("127.0.0.1:1");
      await nobody.refuse();
      const { driver, call } = onEndpoint(create(), nobody.address);
      const authenticating = driver.authenticate!({ name: "root", password: "secret" }, call());
      const error: unknown = await authenticating.then(() => assert.fail("it was answered"), (error) => error);
      assert.equal(driver.unsent?.(error), true, String(error));
      assert.equal(driver.unsent?.(new Error("the connection was lost")), false);
      await driver.close();
      await nobody.close();
    });
  }
});

describe("an etcd with users", () => {
  let etcd: Etcd | undefined;
  let opened: OpenedDriver | undefined;
  const ctl = (...args: string[]) => etcdctl(etcd as Etcd, ...args);
  before(async () => {
    if (skip) return;
    etcd = await startEtcd();
    await ctl("user", "add", "root:secret");
    await ctl("role", "add", "root");
    await ctl("user", "grant-role", "root", "root");
    await ctl("user", "add", "nobody:secret");
    await ctl("auth", "enable");
  });
  afterEach(async () => {
    await opened?.driver.close();
  });
  after(() => etcd?.stop());

  for (const { name, create } of driverKinds) {
    it(`${name}: gets a token for a password, and reports why etcd refuses a call without it`, { skip }, async () => {
      const { driver, call, kind, watch } = opened = onEndpoint(create(), `127.0.0.1:${etcd?.port}`);
      const authenticate = (user: string, password: string) => driver.authenticate!({ name: user, password }, call());
      assert.equal(await kind(authenticate("root", "wrong")), "refused");
      assert.equal(await kind(authenticate("missing", "secret")), "refused");
      const token = await authenticate("root", "secret");
      const withToken = (sent?: string) => call(undefined, sent);
      await driver.range(range("a/"), withToken(token));
      assert.equal(await kind(driver.range(range("a/"), withToken())), "token");
      // The package would repeat this one forever.
      assert.equal(await kind(driver.range(range("a/"), withToken("nonsense.1"))), "token");
      const put = { compare: [], success: [{ put: { key: bytes("a/1"), value: bytes(""), lease: 0n } }], failure: [] };
      assert.equal(await kind(driver.txn(put, withToken("nonsense.2"))), "token");
      const nobody = await authenticate("nobody", "secret");
      assert.equal(await kind(driver.range(range("a/"), withToken(nobody))), "refused");
      assert.equal(await kind(driver.txn(put, withToken(nobody))), "refused");

      const { header: { revision } } = await driver.txn(put, withToken(token));
      const stream = watch(revision, "a/", token);
      assert.equal((await stream.next()).created, true);
      assert.equal((await stream.next()).events.length, 1);
      // A watch is refused in-band.
      for (const [sent, expected] of [[nobody, "refused"], ["nonsense.3", "token"]] as const) {
        const refused = watch(revision, "a/", sent);
        const response = await refused.next();
        const { canceled, cancelReason } = response.canceled ? response : await refused.next();
        assert.deepEqual([canceled, kindOfText(cancelReason)], [true, expected], cancelReason);
        refused.stop();
      }
      // A keepalive is not checked by etcd before 3.5.35.
      assert.equal(await driver.leaseKeepAlive(12345n, withToken(token)), 0n);
      const unchecked = driver.leaseKeepAlive(12345n, withToken());
      assert.ok(["0", "token"].includes(await unchecked.then(String, () => kind(unchecked))));
    });

    it(`${name}: a token dies with an etcd that restarts, and a new one is had for the asking`, { skip }, async () => {
      const { driver, call, kind } = opened = onEndpoint(create(), `127.0.0.1:${etcd?.port}`);
      const authenticate = () => driver.authenticate!({ name: "root", password: "secret" }, call());
      const token = await authenticate();
      // etcd does again what it did after its last write, and so would know the token.
      const put = { put: { key: bytes("a/1"), value: bytes(""), lease: 0n } };
      await driver.txn({ compare: [], success: [put], failure: [] }, call(undefined, token));
      await etcd?.restart();
      assert.equal(
        await eventually("etcd answers", async () => {
          const said = await kind(driver.range(range("a/"), call(undefined, token)));
          return said === "transient" ? undefined : said;
        }),
        "token",
      );
      await driver.range(range("a/"), call(undefined, await authenticate()));
    });
  }
});
