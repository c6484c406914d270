// What etcd's refusals mean, and the errors that say so.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuthenticationError, EtcdError, kindOfRefusal, WatchTimeout } from "../../src/etcd/driver/failure.ts";

const PERMISSION_DENIED = 7, UNAUTHENTICATED = 16;

describe("a refusal of etcd's", () => {
  it("is known by its text, whatever its code", () => {
    const texts: readonly (readonly [text: string, kind: string])[] = [
      ["etcdserver: requested lease not found", "lease-gone"],
      ["etcdserver: lease already exists", "lease-exists"],
      ["etcdserver: invalid auth token", "token"],
      ["rpc error: code = Unauthenticated desc = no", "token"],
      ["etcdserver: revision of auth store is old", "token"],
      ["etcdserver: user name is empty", "token"],
      ["etcdserver: authentication is not enabled", "auth-disabled"],
      ["etcdserver: permission denied", "refused"],
      ["etcdserver: authentication failed, invalid user ID or password", "refused"],
    ];
    for (const [text, kind] of texts) {
      for (const code of [2, PERMISSION_DENIED, UNAUTHENTICATED]) assert.equal(kindOfRefusal(text, code), kind, text);
    }
  });

  it("is known by its code where the text says nothing", () => {
    const kinds = [2, PERMISSION_DENIED, 14, UNAUTHENTICATED].map((code) => kindOfRefusal("no", code));
    assert.deepEqual(kinds, ["transient", "refused", "transient", "token"]);
  });
});

describe("an error of etcd's client", () => {
  it("has its kind, and a cause only if there is one", () => {
    const cause = new Error("down");
    const failure = new EtcdError("no answer", "lease-gone", cause);
    assert.deepEqual([failure.name, failure.message, failure.kind], ["EtcdError", "no answer", "lease-gone"]);
    assert.equal(failure.cause, cause);
    assert.equal(Object.hasOwn(new EtcdError("no answer", "transient"), "cause"), false);
    const { message, kind, cause: same, retryAtMs } = new AuthenticationError(failure, 1_234);
    assert.deepEqual([message, kind, same, retryAtMs], ["no answer", "lease-gone", cause, 1_234]);
    assert.equal(new WatchTimeout("late").kind, "transient");
  });
});
