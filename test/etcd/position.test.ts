// Where a watch is in etcd's history, and whether it is still the same history.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ResponseHeader, WatchEvent, WatchResponse } from "../../src/etcd/driver/driver.ts";
import { EtcdError } from "../../src/etcd/driver/failure.ts";
import { keyRange, onlyKey, Position } from "../../src/etcd/watch/position.ts";
import { cancellation, Relist } from "../../src/etcd/watch/relist.ts";

const header = (revision: bigint, more: Partial<ResponseHeader> = {}): ResponseHeader => {
  return { clusterId: 7n, revision, raftTerm: 2n, ...more };
};
const response = (header: ResponseHeader, more: Partial<WatchResponse> = {}): WatchResponse => ({
  header,
  watchId: 1n,
  created: false,
  canceled: false,
  compactRevision: 0n,
  cancelReason: "",
  fragment: false,
  events: [],
  ...more,
});
const event = (modRevision: bigint): WatchEvent => {
  const none = new Uint8Array();
  return { type: "put", kv: { key: none, value: none, createRevision: 1n, modRevision, lease: 0n } };
};

/** A position after a list at revision 10. */
function listed(): Position {
  const position = new Position();
  position.list(header(10n));
  return position;
}

describe("the range of a prefix", () => {
  it("ends before the first key without the prefix", () => {
    const { key, rangeEnd } = keyRange("/a/");
    assert.deepEqual([...key, ...rangeEnd], [47, 97, 47, 47, 97, 48]);
  });
});

describe("the range of one key", () => {
  it("ends before the first key after it", () => {
    const { key, rangeEnd } = onlyKey("/a");
    assert.deepEqual([[...key], [...rangeEnd]], [[47, 97], [47, 97, 0]]);
  });
});

describe("a watch's position", () => {
  it("is unknown before a list and when it is forgotten, and follows the list's revision", () => {
    const position = new Position();
    assert.equal(position.next, undefined);
    position.list(header(10n));
    assert.equal(position.next, 11n);
    position.forget();
    assert.equal(position.next, undefined);
    position.advance(response(header(20n)));
    assert.equal(position.next, undefined);
    position.list(header(5n));
    assert.equal(position.next, 6n);
  });

  it("follows the last event, whatever revision the header has", () => {
    const position = listed();
    position.advance(response(header(99n), { events: [event(11n), event(12n)] }));
    assert.equal(position.next, 13n);
    position.advance(response(header(99n), { events: [event(12n)] }));
    assert.equal(position.next, 13n, "it never goes back");
    position.advance(response(header(99n), { events: [event(13n)] }));
    assert.equal(position.next, 14n);
  });

  it("stays until the last fragment of a response", () => {
    const position = listed();
    position.advance(response(header(99n), { events: [event(11n)], fragment: true }));
    assert.equal(position.next, 11n);
    position.advance(response(header(99n), { events: [event(11n)] }));
    assert.equal(position.next, 12n);
  });

  it("follows the header of a progress notification for this watch, also with the id 0, and of no other response", () => {
    for (
      const [watchId, created, next] of [[1n, false, 21n], [0n, false, 21n], [-1n, false, 11n], [
        1n,
        true,
        11n,
      ]] as const
    ) {
      const position = listed();
      position.advance(response(header(20n), { watchId, created }));
      assert.equal(position.next, next);
    }
  });
});

describe("a watch follows another history", () => {
  it("when it is created below the list's revision", () => {
    assert.throws(() => listed().check(response(header(9n), { created: true })), (error) => {
      return error instanceof Relist && error.message === "etcd's revision went back from 10 to 9";
    });
    listed().check(response(header(10n), { created: true }));
  });

  it("when it is created below the newest revision that was seen", () => {
    const position = listed();
    position.check(response(header(15n)));
    // Within a stream a response may be overtaken.
    position.check(response(header(12n)));
    assert.throws(() => position.check(response(header(14n), { created: true })), /went back from 15 to 14/);
  });

  it("when its raft term went back, also from one that came without a new revision", () => {
    const position = listed();
    position.check(response(header(10n, { raftTerm: 3n })));
    position.check(response(header(10n, { raftTerm: 3n })));
    assert.throws(() => position.check(response(header(11n, { raftTerm: 2n }))), (error) => {
      return error instanceof Relist && error.message === "etcd's raft term went back from 3 to 2";
    });
  });

  it("when the cluster has another id", () => {
    assert.throws(() => listed().check(response(header(11n, { clusterId: 8n }))), (error) => {
      return error instanceof Relist && error.message === "etcd is a different cluster now";
    });
  });

  it("but not because of a header without ids, or without a raft term", () => {
    const position = listed();
    position.check(response(header(1n, { clusterId: 0n, raftTerm: 0n }), { created: true }));
    position.check(response(header(11n, { raftTerm: 0n }), { created: true }));
    // The former is not remembered; the latter is.
    assert.throws(() => position.check(response(header(10n), { created: true })), /went back from 11 to 10/);
  });

  it("and after the next list that one is the one to follow", () => {
    const position = listed();
    position.list(header(3n, { clusterId: 8n, raftTerm: 1n }));
    position.check(response(header(3n, { clusterId: 8n, raftTerm: 1n }), { created: true }));
  });
});

describe("a canceled watch", () => {
  const cause = (more: Partial<WatchResponse>) => cancellation(response(header(9n), { canceled: true, ...more }));

  it("lists again, and says why", () => {
    const canceled = cause({ cancelReason: "watcher is gone" });
    const compacted = cause({ compactRevision: 5n, cancelReason: "compacted" });
    const silent = cause({});
    assert.ok([canceled, compacted, silent].every((error) => error instanceof Relist));
    assert.equal(canceled.message, "etcd canceled the watch: watcher is gone");
    assert.equal(compacted.message, "etcd has compacted its history up to revision 5");
    assert.equal(silent.message, "etcd canceled the watch: it gave no reason");
    assert.equal(canceled.name, "Relist");
  });

  it("is an error of etcd when the user was refused", () => {
    for (const [cancelReason, kind] of [["permission denied", "refused"], ["invalid auth token", "token"]] as const) {
      const error = cause({ cancelReason });
      assert.ok(error instanceof EtcdError);
      assert.deepEqual([error.kind, error.message], [kind, `etcd refused the watch: ${cancelReason}`]);
    }
  });
});
