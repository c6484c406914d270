// What happens to each driver when the path to etcd, or etcd itself, goes bad.
import assert from "node:assert/strict";
import process from "node:process";
import { after, afterEach, before, describe, it } from "node:test";
import type { EtcdDriver } from "../../src/etcd/driver/driver.ts";
import { type Etcd, etcdSkipped, startEtcd, startEtcdCluster } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { driverKinds, onEndpoint, type OpenedDriver, range, within } from "./drivers.ts";

const skip = etcdSkipped;

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);

describe("the path to etcd, or etcd itself, goes bad", () => {
  let etcd: Etcd | undefined;
  let proxy: TcpProxy | undefined;
  const opened: { close(): Promise<unknown> }[] = [];

  /** A driver behind a proxy of its own. */
  async function open(create: () => EtcdDriver): Promise<OpenedDriver & { readonly path: TcpProxy }> {
    const path = proxy = await startTcpProxy(`127.0.0.1:${etcd?.port}`);
    const driver = onEndpoint(create(), path.address);
    opened.push(driver.driver, path);
    return { ...driver, path };
  }

  before(async () => {
    process.on("unhandledRejection", note);
    if (!skip) etcd = await startEtcd();
  });
  afterEach(async () => {
    proxy?.heal();
    for (const resource of opened.splice(0)) await resource.close();
  });
  after(async () => {
    await etcd?.stop();
    process.off("unhandledRejection", note);
  });

  for (const { name, create, seesConnections } of driverKinds) {
    it(`${name}: a session that is open has another number than before`, { skip }, async () => {
      const { driver, call, put } = await open(create);
      const { endpoint } = call();
      const opening = driver.generation(endpoint);
      await put("number/a");
      const inUse = driver.generation(endpoint);
      assert.notEqual(inUse, opening);
      // Given up for what it did not answer while it was being opened, it would never be.
      driver.reset(endpoint, opening);
      await put("number/b");
      assert.equal(driver.generation(endpoint), inUse);
    });

    it(
      `${name}: a black hole ends with the caller's deadline, and a reset opens another session`,
      { skip },
      async () => {
        const { driver, call, put, path } = await open(create);
        const { endpoint } = call();
        await put("hole/a");
        path.blackHole();
        const generation = driver.generation(endpoint);
        const deadline = new AbortController();
        const reads = [1, 2].map(() => assert.rejects(driver.range(range("hole/"), call(deadline.signal))));
        const kept = assert.rejects(driver.leaseKeepAlive(1n, call(deadline.signal)));
        deadline.abort();
        await within(Promise.all([...reads, kept]), "the ends of calls in a black hole");
        driver.reset(endpoint, generation);
        assert.notEqual(driver.generation(endpoint), generation);
        // A session can't be opened there either.
        const second = new AbortController();
        const before = path.accepted;
        // More calls than fetch has connections so far: it may use those again that carried nothing.
        const openings = Array.from({ length: 5 }, () => {
          return assert.rejects(driver.range(range("hole/"), call(second.signal)));
        });
        await eventually("another connection is tried", () => path.accepted > before);
        second.abort();
        await within(Promise.all(openings), "the ends of openings in a black hole");
        driver.reset(endpoint, driver.generation(endpoint));
        path.heal();
        assert.equal((await driver.range(range("hole/"), call())).kvs.length, 1);
        if (seesConnections) await eventually("the connections given up are closed", () => path.open === 1);
      },
    );

    it(`${name}: a cut connection fails what was on it, and the next call has a new one`, { skip }, async () => {
      const { driver, call, put, watch, kind, path } = await open(create);
      const first = await put("cut/a");
      const streams = [watch(first, "cut/"), watch(first, "cut/")];
      for (const stream of streams) assert.equal((await stream.next()).created, true);
      // Held in the proxy, so that the cut finds them unanswered.
      path.blackHole();
      let ended: readonly string[] | undefined;
      const calls = Promise.all([driver.range(range("cut/"), call()), driver.leaseKeepAlive(1n, call())].map(kind))
        .then((kinds) => (ended = kinds));
      path.cut();
      // Their own connections may still be on their way.
      if (!seesConnections) await eventually("they are cut", () => (path.cut(), ended));
      path.heal();
      assert.deepEqual(await calls, ["transient", "transient"]);
      for (const stream of streams) assert.equal(driver.classify(await stream.failure()), "transient");
      const revision = await eventually("it is back", () => put("cut/b").catch(() => false as const));
      const again = watch(first + 1n, "cut/");
      assert.equal((await again.next()).created, true);
      assert.equal((await again.next()).events[0]?.kv.modRevision, revision);
    });

    it(`${name}: the loss of a connection is reported, the failure to open one is not`, { skip }, async () => {
      const { driver, call, watch, path } = await open(create);
      const { endpoint } = call();
      const lost: string[] = [];
      driver.onLost(({ address }) => lost.push(address));
      await path.refuse();
      await assert.rejects(driver.range(range("loss/"), call()));
      await path.listen();
      await eventually("it is there", () => driver.range(range("loss/"), call()));
      await driver.leaseKeepAlive(1n, call());
      if (!seesConnections) {
        const stream = watch(1n, "loss/");
        await stream.next();
        void stream.failure().catch(() => {});
      }
      assert.deepEqual(lost, []);
      path.cut();
      await eventually("the loss is told, although no call waits for an answer", () => lost.length === 1);
      await eventually("it is back", () => driver.leaseKeepAlive(1n, call()).then(() => true, () => false));
      driver.reset(endpoint, driver.generation(endpoint));
      await eventually("the loss by a reset is told", () => lost.length === 2);
      assert.deepEqual(lost, [endpoint.address, endpoint.address]);
    });

    it(`${name}: where nothing listens a call fails at once, and works once something does`, { skip }, async () => {
      const { driver, call, watch, kind, path } = await open(create);
      await path.refuse();
      assert.equal(await kind(driver.range(range("refused/"), call())), "transient");
      assert.equal(await kind(driver.leaseKeepAlive(1n, call())), "transient");
      assert.equal(driver.classify(await watch(1n, "refused/").failure()), "transient");
      await path.listen();
      await eventually("it is there", () => driver.range(range("refused/"), call()));
    });

    it(`${name}: a half-open watch is silent until its session is reset`, { skip }, async () => {
      const { driver, call, put, watch, path } = await open(create);
      const { endpoint } = call();
      const first = await put("half/a");
      // Another driver on the same path, which does not notice.
      const unaware = onEndpoint(create(), path.address);
      opened.push(unaware.driver);
      await unaware.driver.range(range("half/"), unaware.call());
      const stream = watch(first + 1n, "half/");
      assert.equal((await stream.next()).created, true);
      const generation = driver.generation(endpoint);
      path.halfOpen();
      stream.requestProgress();
      let ended = false;
      const failure = stream.failure().finally(() => (ended = true));
      // Others go on; nothing of it is heard here, not even the connection's end.
      const other = onEndpoint(create(), `127.0.0.1:${etcd?.port}`);
      opened.push(other.driver);
      await other.put("half/a");
      assert.equal(ended, false);
      driver.reset(endpoint, generation);
      assert.equal(driver.classify(await failure), "transient");
      // What is idle and dead in the runtime's pool is left by the calls that it does not answer.
      const alive = () => driver.range(range("half/"), call(AbortSignal.timeout(1_000)));
      if (!seesConnections) await eventually("a new connection is used", alive);
      // The other loop that shared the session comes second, and must not end the fresh one.
      const again = watch(first, "half/");
      assert.equal((await again.next()).created, true);
      driver.reset(endpoint, generation);
      assert.equal((await again.next()).events.length, 2);
      if (!driver.capabilities.progress) return;
      again.requestProgress();
      assert.equal((await again.next()).events.length, 0);
    });

    it(
      `${name}: a reset leaves calls in flight to those who wait for them, and new calls don't wait`,
      { skip },
      async () => {
        const { driver, call, put, path } = await open(create);
        const { endpoint } = call();
        await put("patience/a");
        path.blackHole();
        const waiting = [driver.range(range("patience/"), call()), driver.range(range("patience/"), call())];
        const kept = driver.leaseKeepAlive(1n, call());
        const impatient = new AbortController();
        const left = assert.rejects(driver.range(range("patience/"), call(impatient.signal)));
        impatient.abort();
        await within(left, "the end of the impatient call");
        driver.reset(endpoint, driver.generation(endpoint));
        const accepted = path.accepted;
        const fresh = driver.range(range("patience/"), call());
        await eventually("a new connection", () => path.accepted > accepted);
        path.heal();
        const lengths = await within(Promise.all([...waiting, fresh]), "all answers");
        assert.deepEqual(lengths.map(({ kvs }) => kvs.length), [1, 1, 1]);
        assert.equal(await within(kept, "the keepalive's answer"), 0n);
        if (seesConnections) await eventually("the session given up is closed", () => path.open === 1);
      },
    );

    it(`${name}: etcd is killed and comes back`, { skip }, async () => {
      const { driver, call, put, watch, kind, path } = await open(create);
      const first = await put("killed/a");
      const stream = watch(first + 1n, "killed/");
      assert.equal((await stream.next()).created, true);
      await etcd?.kill();
      assert.equal(driver.classify(await stream.failure()), "transient");
      assert.equal(await kind(driver.range(range("killed/"), call())), "transient");
      await etcd?.restart();
      await eventually("it is back", () => driver.range(range("killed/"), call()));
      await put("killed/b");
      const again = watch(first, "killed/");
      assert.equal((await again.next()).created, true);
      const events = [];
      while (events.length < 2) events.push(...(await again.next()).events);
      assert.deepEqual(events.map(({ kv }) => kv.modRevision), [first, first + 1n]);
      assert.ok(path.open <= 2);
    });
  }

  it("with no rejection unhandled", async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.deepEqual(unhandled, []);
  });
});

describe("a member of a cluster that lost its quorum", () => {
  let members: readonly Etcd[] = [];
  before(async () => {
    if (!skip) members = await startEtcdCluster(3, { heartbeatMs: 50 });
  });
  after(() => Promise.all(members.map((member) => member.stop())));

  it("says so on a watch and a keepalive, as both ask for the leader", { skip }, async () => {
    const [survivor, ...others] = members as [Etcd, ...Etcd[]];
    const drivers = driverKinds.map(({ create }) => onEndpoint(create(), `127.0.0.1:${survivor.port}`));
    const watches = await Promise.all(drivers.map(async ({ put, watch }) => {
      const stream = watch(await put("quorum/"), "quorum/");
      while ((await stream.next()).events.length === 0);
      return stream;
    }));
    await Promise.all(others.map((member) => member.kill()));
    await Promise.all(drivers.map(async ({ driver, call, watch, kind }, i) => {
      assert.equal(driver.classify(await watches[i]?.failure()), "transient");
      assert.equal(driver.classify(await watch(1n, "quorum/").failure()), "transient");
      assert.equal(await kind(driver.leaseKeepAlive(1n, call())), "transient");
      await driver.close();
    }));
  });
});
