// What the registry relies on of a driver, on a real etcd.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { WatchResponse } from "../../src/etcd/driver/driver.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { bytes, driverKinds, onEndpoint, type OpenedDriver, range, text, within } from "./drivers.ts";

const skip = etcdSkipped;

for (const { name, create } of driverKinds) {
  const { progress, watchesPerStream = Infinity } = create().capabilities;
  describe(`${name} on a real etcd`, () => {
    let etcd: Etcd | undefined;
    const opened: OpenedDriver[] = [];
    const open = () => {
      const driver = onEndpoint(create(), `127.0.0.1:${etcd?.port}`);
      opened.push(driver);
      return driver;
    };
    before(async () => {
      if (!skip) etcd = await startEtcd();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map(({ driver }) => driver.close()));
    });
    after(() => etcd?.stop());

    it("reads a key, or all of a range, as plain structs with bigints and bytes", { skip }, async () => {
      const { driver, call, put } = open();
      const first = await put("range/a", new Uint8Array([0, 255, 10]));
      const second = await put("range/b", "2");
      await put("rangeless", "3");
      const { header, kvs } = await driver.range(range("range/"), call());
      assert.deepEqual(kvs.map((kv) => ({ ...kv, key: text(kv.key), value: [...kv.value] })), [
        { key: "range/a", value: [0, 255, 10], createRevision: first, modRevision: first, lease: 0n },
        { key: "range/b", value: [50], createRevision: second, modRevision: second, lease: 0n },
      ]);
      assert.equal(header.revision, second + 1n);
      assert.ok(header.clusterId > 0n && header.raftTerm > 0n);
      const one = await driver.range({ key: bytes("range/b") }, call());
      assert.deepEqual(one.kvs, kvs.slice(1));
      assert.deepEqual((await driver.range({ key: bytes("range/none") }, call())).kvs, []);
    });

    it("reads no more keys than the limit, the first ones, and says that there are more", { skip }, async () => {
      const { driver, call, put } = open();
      for (const name of ["c", "a", "b"]) await put(`limit/${name}`);
      const names = ({ kvs }: { kvs: readonly { key: Uint8Array }[] }) => kvs.map(({ key }) => text(key));
      const two = await driver.range({ ...range("limit/"), limit: 2n }, call());
      assert.deepEqual([names(two), two.more], [["limit/a", "limit/b"], true]);
      const three = await driver.range({ ...range("limit/"), limit: 3n }, call());
      assert.deepEqual([names(three).length, three.more], [3, false]);
      // All keys of etcd, from the least one on.
      const all = await driver.range({ key: bytes("\0"), rangeEnd: bytes("\0"), limit: 1_000n }, call());
      assert.ok(names(all).includes("limit/c"));
    });

    it("does one side of a transaction, and gives its reads in order", { skip }, async () => {
      const { driver, call } = open();
      const key = bytes("txn/a");
      const lease = 0x7edc_ba98_7654_3210n;
      assert.equal(await driver.leaseGrant({ id: lease, ttlSeconds: 60n }, call()), 60n);
      const put = { put: { key, value: bytes("v"), lease } };
      const read = { range: { key } };
      const txn = { compare: [{ target: "version", key, value: 0n }], success: [put, read], failure: [read] } as const;
      const first = await driver.txn(txn, call());
      assert.deepEqual([first.succeeded, first.kvs.map(({ lease }) => lease)], [true, [lease]]);
      const again = await driver.txn({ ...txn, failure: [read, { range: { key: bytes("txn/") } }, read] }, call());
      assert.deepEqual([again.succeeded, again.kvs.map(({ value }) => text(value))], [false, ["v", "v"]]);
      const held = { target: "lease", key, value: lease } as const;
      assert.equal((await driver.txn({ compare: [held], success: [], failure: [] }, call())).succeeded, true);
      const other = { ...held, value: lease + 1n };
      assert.equal((await driver.txn({ compare: [held, other], success: [], failure: [] }, call())).succeeded, false);
    });

    it("grants, keeps alive and revokes a lease, and reports why etcd refuses it", { skip }, async () => {
      const { driver, call, kind } = open();
      const key = bytes("lease/a");
      assert.equal(await driver.leaseGrant({ id: 91n, ttlSeconds: 1n }, call()), 2n);
      assert.equal(await kind(driver.leaseGrant({ id: 91n, ttlSeconds: 60n }, call())), "lease-exists");
      assert.equal(await driver.leaseKeepAlive(91n, call()), 2n);
      const put = { compare: [], success: [{ put: { key, value: key, lease: 91n } }], failure: [] };
      await driver.txn(put, call());
      await driver.leaseRevoke(91n, call());
      assert.deepEqual((await driver.range({ key }, call())).kvs, []);
      assert.equal(await driver.leaseKeepAlive(91n, call()), 0n);
      assert.equal(await kind(driver.leaseRevoke(91n, call())), "lease-gone");
      assert.equal(await kind(driver.txn(put, call())), "lease-gone");
      assert.equal(await kind(driver.authenticate!({ name: "root", password: "x" }, call())), "auth-disabled");
      const tooLong = driver.leaseGrant({ id: 92n, ttlSeconds: 9_000_000_001n }, call());
      assert.equal(await kind(tooLong), "transient");
    });

    it("returns what is left of a lease, and its keys when asked; undefined once it is gone", { skip }, async () => {
      const { driver, call } = open();
      const id = 0x7edc_ba98_0000_0001n;
      assert.equal(await driver.leaseTimeToLive({ id }, call()), undefined);
      await driver.leaseGrant({ id, ttlSeconds: 600n }, call());
      const puts = ["left/a", "left/b"].map((key) => ({ put: { key: bytes(key), value: bytes(""), lease: id } }));
      await driver.txn({ compare: [], success: puts, failure: [] }, call());
      const left = await driver.leaseTimeToLive({ id }, call());
      assert.ok(left !== undefined && left.ttlSeconds > 500n && left.ttlSeconds <= 600n, String(left?.ttlSeconds));
      assert.deepEqual([left.grantedSeconds, left.keys], [600n, []]);
      const withKeys = await driver.leaseTimeToLive({ id, keys: true }, call());
      assert.deepEqual(withKeys?.keys.map(text).sort(), ["left/a", "left/b"]);
      await driver.leaseRevoke(id, call());
      assert.equal(await driver.leaseTimeToLive({ id, keys: true }, call()), undefined);
    });

    it("returns the status of the member behind an endpoint", { skip }, async () => {
      const { driver, call, put } = open();
      const revision = await put("status/a", "1");
      const status = await driver.status(call());
      assert.match(status.version, /^3\.\d+\.\d+/);
      assert.ok(status.memberId > 0n);
      // The only member there is.
      assert.equal(status.leaderId, status.memberId);
      assert.ok(status.dbSizeBytes > 0n && status.raftIndex > 0n && status.header.raftTerm > 0n);
      const { header } = await driver.range({ key: bytes("status/a") }, call());
      assert.deepEqual([status.header.clusterId, header.revision], [header.clusterId, revision]);
    });

    it(
      "watches from a revision on: what was, what comes, and its progress when asked, if it can",
      { skip },
      async () => {
        const { driver, call, put, watch } = open();
        const first = await put("watch/a", "1");
        const stream = watch(first, "watch/");
        const created = await stream.next();
        assert.deepEqual([created.created, created.canceled, created.events.length], [true, false, 0]);
        const [was] = (await stream.next()).events;
        assert.deepEqual({ ...was?.kv, type: was?.type, key: text(was!.kv.key), value: text(was!.kv.value) }, {
          type: "put",
          key: "watch/a",
          value: "1",
          createRevision: first,
          modRevision: first,
          lease: 0n,
        });
        await driver.leaseGrant({ id: 93n, ttlSeconds: 60n }, call());
        const leased = { put: { key: bytes("watch/b"), value: bytes("2"), lease: 93n } };
        await driver.txn({ compare: [], success: [leased], failure: [] }, call());
        const came = await stream.next();
        assert.deepEqual([came.events[0]?.kv.lease, came.header.revision], [93n, first + 1n]);
        await driver.leaseRevoke(93n, call());
        const [gone] = (await stream.next()).events;
        assert.deepEqual([gone?.type, text(gone?.kv.key ?? bytes("")), gone?.kv.modRevision], [
          "delete",
          "watch/b",
          first + 2n,
        ]);
        const revision = await put("elsewhere");
        stream.requestProgress();
        if (!progress) return;
        const told = await stream.next();
        assert.deepEqual([told.events, told.header.revision, told.watchId], [[], revision, -1n]);
      },
    );

    const one = watchesPerStream === 1 && "its streams have one watch each";
    it("carries many watches on a stream under chosen ids; one ends alone", { skip: skip || one }, async () => {
      const { driver, call, put } = open();
      const first = await put("many/0/", "");
      const stream = driver.watch(call());
      const responses = stream.responses[Symbol.asyncIterator]();
      const next = async (wanted: (response: WatchResponse) => boolean) => {
        for (;;) {
          const { value } = await within(responses.next(), "a response") as { value: WatchResponse };
          if (wanted(value)) return value;
        }
      };
      const ids = Array.from({ length: 30 }, (_, i) => BigInt(i + 1));
      for (const watchId of ids) stream.create({ ...range(`many/${watchId}/`), watchId, startRevision: first + 1n });
      for (const watchId of ids) assert.equal((await next(({ created }) => created)).watchId, watchId);
      for (const watchId of ids.toReversed()) {
        const revision = await put(`many/${watchId}/key`);
        const { header, ...told } = await next(({ events }) => events.length > 0);
        assert.deepEqual([told.watchId, header.revision], [watchId, revision]);
      }
      stream.cancel(7n);
      assert.equal((await next(({ canceled }) => canceled)).watchId, 7n);
      await put("many/7/key");
      await put("many/8/key");
      assert.equal((await next(({ events }) => events.length > 0)).watchId, 8n);
      stream.create({ ...range("many/8/"), watchId: 8n, startRevision: first });
      const refused = await next(({ created }) => created);
      assert.deepEqual([refused.canceled, refused.watchId], [true, -1n]);
      stream.create({ ...range("many/7/"), watchId: 31n, startRevision: first });
      assert.equal((await next(({ events }) => events.length > 0)).watchId, 31n);
      stream.requestProgress();
      assert.equal((await next(({ events }) => events.length === 0)).watchId, -1n);
    });

    it("catches up on more than 4 MiB, in fragments, with nothing lost", { skip }, async () => {
      const { put, watch } = open();
      const first = await put("catch-up/", "");
      for (let n = 0; n < 8; n++) await put(`catch-up/${n}`, new Uint8Array(700_000).fill(n));
      const stream = watch(first, "catch-up/");
      const seen: WatchResponse[] = [];
      const events = () => seen.flatMap((response) => response.events);
      while (events().length < 9) seen.push(await stream.next());
      assert.deepEqual(
        events().map(({ kv }) => kv.modRevision),
        Array.from({ length: 9 }, (_, n) => first + BigInt(n)),
      );
      assert.deepEqual(
        events().slice(1).map(({ kv }) => [kv.value.length, kv.value[0]]),
        [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [700_000, n]),
      );
      const fragments = seen.map(({ fragment }) => fragment);
      assert.ok(fragments.includes(true) && fragments.at(-1) === false);
    });

    it("keeps order through a burst, while other calls and watches share the session", { skip }, async () => {
      const { driver, call, put, watch } = open();
      const first = await put("burst/", "");
      const streams = [watch(first + 1n, "burst/"), watch(first + 1n, "burst/")];
      const reading = streams.map(async (stream) => {
        const revisions: bigint[] = [];
        while (revisions.length < 300) revisions.push(...(await stream.next()).events.map(({ kv }) => kv.modRevision));
        return revisions;
      });
      const puts = Promise.all(Array.from({ length: 300 }, (_, n) => put(`burst/${n % 7}`, String(n))));
      const lists = Promise.all(Array.from({ length: 20 }, () => driver.range(range("burst/"), call())));
      await Promise.all([puts, lists]);
      const expected = Array.from({ length: 300 }, (_, n) => first + 1n + BigInt(n));
      for (const revisions of await Promise.all(reading)) assert.deepEqual(revisions, expected);
    });

    it(
      "ends a watch when its signal aborts, read or not, and refuses a call whose signal has aborted",
      { skip },
      async () => {
        const { driver, call, put, watch } = open();
        const first = await put("abort/", "");
        const stream = watch(first + 1n, "abort/");
        await stream.next();
        stream.stop();
        await stream.failure();
        stream.requestProgress();
        watch(first, "abort/").stop();
        const late = watch(first, "abort/");
        late.stop();
        await late.failure();
        await assert.rejects(driver.range(range("abort/"), call(AbortSignal.abort())));
        const own = new AbortController();
        const reading = driver.range(range("abort/"), call(own.signal));
        own.abort();
        await assert.rejects(reading);
        assert.equal((await driver.range(range("abort/"), call())).kvs.length, 1);
      },
    );

    it("can leave a watch at any time", { skip }, async () => {
      const { driver, call, put } = open();
      const first = await put("leave/", "");
      const { responses, create } = driver.watch(call());
      create({ ...range("leave/"), watchId: 1n, startRevision: first });
      for await (const { events } of responses) if (events.length > 0) break;
      assert.equal((await driver.range(range("leave/"), call())).kvs.length, 1);
    });

    it("refuses calls once it is closed, and ends what was open", { skip }, async () => {
      const { driver, call, put, watch } = open();
      const stream = watch(await put("close/", ""), "close/");
      await stream.next();
      await Promise.all([driver.close(), driver.close()]);
      await stream.failure();
      await assert.rejects(driver.range(range("close/"), call()), /closed/);
      await driver.close();
    });

    // The last one: it takes the history of all keys away.
    it(
      "reports a compacted start in-band: created, then canceled with the oldest revision there is",
      { skip },
      async () => {
        const { put, watch } = open();
        const first = await put("compact/", "1");
        const last = await put("compact/", "2");
        const answer = await fetch(`${etcd?.url}/v3/kv/compaction`, {
          method: "POST",
          body: JSON.stringify({ revision: String(last) }),
        });
        assert.equal(answer.ok, true, await answer.text());
        const stream = watch(first, "compact/");
        const created = await stream.next();
        assert.deepEqual([created.created, created.canceled], [true, false]);
        const canceled = await stream.next();
        assert.deepEqual([canceled.canceled, canceled.compactRevision, canceled.events], [true, last, []]);
        const [event] = await (async () => {
          const good = watch(last, "compact/");
          await good.next();
          return (await good.next()).events;
        })();
        assert.equal(text(event?.kv.value ?? bytes("")), "2");
      },
    );
  });
}

describe("a list of more than 64 MiB", () => {
  const numbers = Array.from({ length: 48 }, (_, n) => n + 10);
  const size = 1.4 * 2 ** 20 | 0;
  let etcd: Etcd | undefined;
  let drivers: readonly OpenedDriver[] = [];
  before(async () => {
    if (skip) return;
    etcd = await startEtcd();
    drivers = driverKinds.map(({ create }) => onEndpoint(create(), `127.0.0.1:${etcd?.port}`));
    // All is written once, by all of them.
    await Promise.all(drivers.map(async ({ put }, i) => {
      const own = numbers.filter((n) => n % drivers.length === i);
      for (const n of own) await put(`large/${n}`, new Uint8Array(size).fill(n));
    }));
  });
  after(async () => {
    await Promise.all(drivers.map(({ driver }) => driver.close()));
    await etcd?.stop();
  });

  for (const [i, { name }] of driverKinds.entries()) {
    it(`B5: ${name} reads it whole`, { skip }, async () => {
      const { driver, call } = drivers[i]!;
      const { kvs } = await driver.range(range("large/"), call());
      assert.deepEqual(
        kvs.map(({ value }) => [value.length, value[0], value.at(-1)]),
        numbers.map((n) => [size, n, n]),
      );
    });
  }
});
