import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEtcdEndpoints } from "../../src/etcd/endpoints.ts";
import {
  createEtcdRegistry,
  type CreateEtcdRegistryOptions,
  etcdNaming,
  goZero,
  kitex,
  kratos,
  type RegisterOptions,
} from "../../src/etcd.ts";
import { checkAttributes, checkRegisterOptions } from "../../src/registry/options.ts";

const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"] });
const good: RegisterOptions = { service: "a", address: "10.0.0.5:8000" };

/** Fails unless it throws that kind of error, with a message that has all of these in it. */
function refuses(kind: typeof TypeError | typeof RangeError, call: () => unknown, ...texts: string[]) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof kind, String(error));
    for (const text of texts) assert.ok(error.message.includes(text), `${error.message} names ${text}`);
    return true;
  });
}

describe("what a registry is given", () => {
  it("refuses invalid service names", () => {
    for (const name of ["", "a/b", "/", "a b", "a\n", "a\u0000", "\u200b", "\ud800", ".", "..", "x".repeat(256)]) {
      refuses(TypeError, () => registry.resolver(name), JSON.stringify(name.slice(0, 100)), "expected");
      refuses(TypeError, () => registry.register({ ...good, service: name }), "expected");
    }
    for (const name of [undefined, null, 5]) {
      refuses(TypeError, () => registry.resolver(name as never), String(name));
    }
    for (const name of ["x".repeat(255), "simple_grpc", "user.rpc", "com.foo.Bar:1.0.0", "grüße"]) {
      registry.resolver(name);
    }
  });

  it("takes names with slashes where the layout does, as paths that end in a name", () => {
    for (const layout of [etcdNaming(), goZero(), kratos()]) {
      const registry = createEtcdRegistry({ endpoints: ["a:1"], layout });
      for (const name of ["foo/bar/my-service", "/service/hello.rpc", "a//b"]) registry.resolver(name);
      for (const name of ["/", "a/", "a/..", "./a", "a/../b", "a b/c"]) {
        refuses(TypeError, () => registry.resolver(name), JSON.stringify(name), "expected");
        refuses(TypeError, () => registry.register({ ...good, service: name }), JSON.stringify(name), "expected");
      }
    }
    refuses(
      TypeError,
      () => createEtcdRegistry({ endpoints: ["a:1"], layout: kitex() }).resolver("a/b"),
      '"a/b"',
      '"/"',
    );
  });

  it("refuses addresses that clients can't call", () => {
    for (
      const address of [
        "",
        "host",
        "http://a:1",
        "a:1/x",
        "a b:1",
        "::1:80",
        ":80",
        "0.0.0.0:80",
        "[::]:80",
        "[0::0]:80",
      ]
    ) {
      refuses(TypeError, () => registry.register({ ...good, address }), JSON.stringify(address), "expected");
    }
    for (const address of ["a:0", "a:65536"]) {
      refuses(RangeError, () => registry.register({ ...good, address }), address);
    }
    refuses(TypeError, () => registry.register({ ...good, address: 8000 as never }), "8000");
  });

  it("refuses TTLs that are not whole seconds above 0", () => {
    for (const ttlSeconds of [0, -1, 0.5, NaN, Infinity, 9_000_000_001]) {
      refuses(
        RangeError,
        () => registry.register({ ...good, ttlSeconds }),
        String(ttlSeconds),
        "expected whole seconds",
      );
    }
    refuses(TypeError, () => registry.register({ ...good, ttlSeconds: "5" as never }), "expected whole seconds");
    for (const ttlSeconds of [1, 9_000_000_000]) {
      assert.equal(checkRegisterOptions({ ...good, ttlSeconds }).ttlSeconds, ttlSeconds);
    }
    assert.equal(checkRegisterOptions(good).ttlSeconds, 10);
  });

  it("takes the attributes that are given", () => {
    for (const attributes of [{ weight: 2 }, { zone: "z" }, { metadata: null }, { metadata: { a: 1 } }]) {
      const { ttlSeconds: _, onState: __, takeOver: ___, ...checked } = checkRegisterOptions({
        ...good,
        ...attributes,
      });
      assert.deepEqual(checked, { ...good, ...attributes });
      assert.deepEqual(checkAttributes(attributes), attributes);
    }
    refuses(TypeError, () => checkAttributes({ wieght: 1 } as never), 'update() has no option "wieght"');
  });

  it("refuses invalid attributes, and those that the layout can't store", () => {
    for (const weight of [0, -1, NaN, Infinity]) {
      refuses(RangeError, () => registry.register({ ...good, weight }), `weight is ${weight}`, "above 0");
    }
    refuses(TypeError, () => registry.register({ ...good, weight: "1" as never }), 'weight is "1"');
    refuses(TypeError, () => registry.register({ ...good, zone: "" }), 'zone is ""');
    refuses(TypeError, () => registry.register({ ...good, weight: 1 }), "store weight");
    refuses(TypeError, () => registry.register({ ...good, onState: 5 as never }), "onState is 5");
    refuses(TypeError, () => registry.register(undefined as never), "undefined");
  });

  it("refuses invalid etcd endpoints", () => {
    const create = (endpoints: unknown) => () => createEtcdRegistry({ endpoints: endpoints as string[] });
    for (const endpoints of [undefined, [], "http://127.0.0.1:2379", {}]) {
      refuses(TypeError, create(endpoints), "expected an array");
    }
    for (
      const url of [
        "",
        "127.0.0.1",
        "http://127.0.0.1",
        "http://a:1/v3",
        "ftp://a:1",
        "http://u@a:1",
        "http://a:1?x",
        "a b:1",
      ]
    ) {
      refuses(TypeError, create([url]), JSON.stringify(url), "expected");
    }
    refuses(RangeError, create(["http://a:99999"]), "a:99999");
    refuses(TypeError, create([5]), "5 is not a string");
    assert.deepEqual(parseEtcdEndpoints(["http://a:1", "https://a:1/", "a:1", "HTTPS://[::1]:2379", "http://a:1/"]), [
      { address: "a:1", secure: false },
      { address: "a:1", secure: true },
      { address: "a:1" },
      { address: "[::1]:2379", secure: true },
    ]);
  });

  it("refuses options of the wrong type, and names no password", () => {
    const refused = (options: Record<string, unknown>, ...texts: string[]) =>
      refuses(
        TypeError,
        () => createEtcdRegistry({ endpoints: ["a:1"], ...options } as CreateEtcdRegistryOptions),
        ...texts,
      );
    refused({ layout: {} }, "layout is {}");
    refused({ layout: "grpclb" }, "layout");
    refused({ layout: null }, "layout");
    refused({ prefix: 5 }, "prefix is 5");
    refused({ prefix: "/x", layout: goZero() }, "leave out prefix or layout");
    refused({ username: "u" }, "belong together");
    refused({ password: "p" }, "belong together");
    refused({ username: 5, password: "p" }, "username is 5");
    refused({ onEvent: true }, "onEvent is true");
    refused({ clock: {} }, "clock");
    refused({ random: 4 }, "random is 4");
    assert.throws(
      () => createEtcdRegistry({ endpoints: ["a:1"], username: "u", password: 12345 as never }),
      (error: Error) => error instanceof TypeError && !error.message.includes("12345"),
    );
    refuses(TypeError, () => createEtcdRegistry(undefined as never), "endpoints");
  });
});
