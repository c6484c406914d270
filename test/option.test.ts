import assert from "node:assert/strict";
import { createServer } from "node:http2";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { createMemoryEtcd, createMemoryRegistry } from "../src/testing.ts";
import { createEtcdRegistry, etcdNaming, goZero, grpclb, kitex, kratos } from "../src/etcd.ts";
import { fetchConnector } from "../src/fetch.ts";
import { createEtcd3Registry } from "../src/etcd3.ts";
import { createGatewayRegistry } from "../src/etcd-gateway.ts";
import { balance, createBalancedTransport, roundRobin, staticResolver, transportConnector } from "../src/index.ts";
import { dnsResolver, grpcConnector, shutdown } from "../src/node.ts";
import { destinationOf } from "../src/node/socket.ts";
import { quoted, refuseUnknown } from "../src/option.ts";
import {
  createObjectEtcdRegistry,
  createWorkerEtcdRegistry,
  createWorkerTransport,
  workerConnector,
} from "../src/workers.ts";
import { streamConnect } from "./workers/stream-connect.ts";

// Options as JavaScript may give them.
// deno-lint-ignore no-explicit-any
type Anything = any;

const resolver = staticResolver(["a:1"]);
const connector = grpcConnector();
const { connect } = streamConnect();
const etcd = { endpoints: ["http://127.0.0.1:1"] };
const server = { service: "a", address: "10.0.0.5:80" };

/** Every factory, with options that are right. */
const factories: Record<string, (more: Anything) => unknown> = {
  "createBalancedTransport()": (more) => createBalancedTransport({ resolver, connector, ...more }),
  "balance()": (more) => balance({ waitForReady: true, ...more }),
  "grpcConnector()": (more) => grpcConnector({ tls: {}, ...more }),
  "transportConnector()": (more) => transportConnector(() => createMemoryEtcd().transport(), { ...more }),
  "fetchConnector()": (more) => fetchConnector({ protocol: "connect", ...more }),
  "createEtcdRegistry()": (more) => createEtcdRegistry({ ...etcd, ...more }),
  "createEtcd3Registry()": (more) => createEtcd3Registry({ Etcd3, ...etcd, ...more }),
  "createWorkerEtcdRegistry()": (more) => createWorkerEtcdRegistry({ ...etcd, connect, ...more }),
  "createObjectEtcdRegistry()": (more) => createObjectEtcdRegistry({ ...etcd, connect, ...more }),
  "createWorkerTransport()": (more) => createWorkerTransport({ resolver, connect, ...more }),
  "workerConnector()": (more) => workerConnector({ connect, ...more }),
  "createGatewayRegistry()": (more) => createGatewayRegistry({ ...etcd, ...more }),
  "createMemoryRegistry()": (more) => createMemoryRegistry({ ...more }),
  "createMemoryEtcd()": (more) => createMemoryEtcd({ ...more }),
  "dnsResolver()": (more) => dnsResolver("a.test:1", { ...more }),
  "staticResolver()": (more) => staticResolver([{ address: "a:1", ...more }]),
  "grpclb()": (more) => grpclb({ ...more }),
  "etcdNaming()": (more) => etcdNaming({ ...more }),
  "goZero()": (more) => goZero({ ...more }),
  "kratos()": (more) => kratos({ ...more }),
};

describe("every factory", () => {
  for (const [name, create] of Object.entries(factories)) {
    it(`${name} refuses an option that it doesn't have`, () => {
      assert.doesNotThrow(() => create({ ofNoKind: undefined }));
      assert.throws(() => create({ ofNoKind: 5 }), (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /has no option "ofNoKind": it takes \w+/);
        assert.ok(error.message.includes(name), error.message);
        return true;
      });
    });
  }

  it("says which option may be meant", () => {
    const meant: [create: () => unknown, given: string, meant: string][] = [
      [() => factories["createBalancedTransport()"]!({ waitForRedy: true }), "waitForRedy", "waitForReady"],
      [
        () => factories["createBalancedTransport()"]!({ retry: { maxAttempt: 4 } }),
        "retry.maxAttempt",
        "retry.maxAttempts",
      ],
      [
        () => factories["createBalancedTransport()"]!({ retry: { budget: { ratio: 1 } } }),
        "retry.budget.ratio",
        "tokenRatio",
      ],
      [() => factories["createBalancedTransport()"]!({ backoff: { max: 1 } }), "backoff.max", "backoff.maxMs"],
      [() => balance({ waitReady: true } as Anything), "waitReady", "waitForReady"],
      [() => grpcConnector({ TLS: {} } as Anything), "TLS", "tls"],
      [
        () => grpcConnector({ tls: { rejectUnauthorised: false } } as Anything),
        "tls.rejectUnauthorised",
        "tls.rejectUnauthorized",
      ],
      [() => grpcConnector({ keepalive: { interval: 5 } } as Anything), "keepalive.interval", "keepalive.intervalMs"],
      [
        () => grpcConnector({ limits: { streamWindowByte: 5 } } as Anything),
        "limits.streamWindowByte",
        "limits.streamWindowBytes",
      ],
      [() => createEtcdRegistry({ ...etcd, onevent: () => {} } as Anything), "onevent", "onEvent"],
      [() => createEtcdRegistry({ endpoint: "http://a:1" } as Anything), "endpoint", "endpoints"],
      [() => createEtcdRegistry(etcd).register({ ...server, ttl: 5 } as Anything), "ttl", "ttlSeconds"],
      [() => createMemoryRegistry().register({ ...server, adress: "a:1" } as Anything), "adress", "address"],
      [() => staticResolver([{ address: "a:1", wheight: 2 } as Anything]), "wheight", "weight"],
      [() => dnsResolver("a.test:1", { interval: 5 } as Anything), "interval", "intervalMs"],
    ];
    for (const [create, given, name] of meant) {
      assert.throws(create, (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.includes(`"${given}": did you mean `), error.message);
        assert.ok(error.message.endsWith(`${name}?`), error.message);
        return true;
      });
    }
  });

  it("that has no options says so", () => {
    assert.throws(
      () => kitex({ prefix: "/x" } as Anything),
      /^TypeError: kitex\(\) has no option "prefix": it takes none$/,
    );
    assert.throws(() => roundRobin({ sticky: true } as Anything), /^TypeError: roundRobin\(\) has no option "sticky"/);
  });

  it("takes options that are undefined for options that are left out", () => {
    const none = (...names: string[]) => Object.fromEntries(names.map((name) => [name, undefined]));
    factories["createBalancedTransport()"]!({
      ...none(
        "policy",
        "interceptors",
        "defaultTimeoutMs",
        "waitTimeoutMs",
        "waitForReady",
        "onEvent",
        "clock",
        "random",
      ),
      retry: none("maxAttempts", "codes", "methods", "budget"),
      backoff: none("initialMs", "maxMs", "factor", "jitter"),
    });
    factories["grpcConnector()"]!({
      ...none("tls", "readMaxBytes", "writeMaxBytes", "acceptCompression", "sendCompression", "maxAgeMs", "clock"),
      keepalive: none("intervalMs", "timeoutMs"),
      limits: none("streamWindowBytes"),
    });
    factories["createEtcdRegistry()"]!(none("layout", "prefix", "username", "password", "tls", "connector", "onEvent"));
    createMemoryRegistry().register({ ...server, ...none("ttlSeconds", "weight", "zone", "onState") } as Anything);
  });
});

describe("options that are inherited or getters", () => {
  it("count as given, whatever kind of object they are in", async () => {
    class Server {
      get address() {
        return "a:1";
      }
      get weight() {
        return 2;
      }
    }
    const [endpoint] = (await staticResolver([new Server()]).list!(new AbortController().signal)).endpoints!;
    assert.deepEqual(endpoint, { address: "a:1", weight: 2 });
    class Options {
      resolver = staticResolver(["a:1"]);
      connector = connector;
      get backoff() {
        return Object.create({ factor: 0.5 });
      }
    }
    assert.throws(() => createBalancedTransport(new Options()), /^RangeError: option backoff\.factor is 0\.5/);
  });
});

describe("an option of the wrong type or range", () => {
  const wrong: [create: () => unknown, Kind: typeof TypeError | typeof RangeError, message: RegExp][] = [
    [
      () => grpcConnector({ readMaxBytes: 0 }),
      RangeError,
      /^option readMaxBytes is 0: expected whole bytes from 1 to 4294967295$/,
    ],
    [
      () => grpcConnector({ readMaxBytes: "5" as Anything }),
      TypeError,
      /^option readMaxBytes is "5": expected whole bytes/,
    ],
    [() => grpcConnector({ writeMaxBytes: -1 }), RangeError, /^option writeMaxBytes is -1/],
    [
      () => grpcConnector({ compressMinBytes: -3 }),
      RangeError,
      /^option compressMinBytes is -3: expected whole bytes from 0$/,
    ],
    [
      () => grpcConnector({ defaultTimeoutMs: -1 }),
      RangeError,
      /^option defaultTimeoutMs is -1: expected milliseconds above 0$/,
    ],
    [
      () => grpcConnector({ interceptors: 5 as Anything }),
      TypeError,
      /^option interceptors is 5: expected an array of Connect/,
    ],
    [
      () => grpcConnector({ acceptCompression: 7 as Anything }),
      TypeError,
      /^option acceptCompression is 7: expected an array/,
    ],
    [
      () => grpcConnector({ acceptCompression: ["gzip"] as Anything }),
      TypeError,
      /^option acceptCompression is an array/,
    ],
    [
      () => grpcConnector({ sendCompression: "gzip" as Anything }),
      TypeError,
      /^option sendCompression is "gzip": expected a comp/,
    ],
    [
      () => grpcConnector({ useBinaryFormat: 1 as Anything }),
      TypeError,
      /^option useBinaryFormat is 1: expected true or false$/,
    ],
    [() => grpcConnector({ tls: 5 as Anything }), TypeError, /^option tls is 5: expected an object/],
    [
      () => grpcConnector({ tls: { ca: "/etc/ca.pem" } }),
      TypeError,
      /^option tls\.ca is a string that can't be used: expected PEM .*not its path/,
    ],
    [
      () => grpcConnector({ tls: { cert: "-----BEGIN CERTIFICATE-----" } }),
      TypeError,
      /^tls\.cert and tls\.key belong/,
    ],
    [() => grpcConnector({ tls: true as Anything }), TypeError, /^option tls is true: expected an object .*\{\} for/],
    [
      () => grpcConnector({ keepalive: 5 as Anything }),
      TypeError,
      /^option keepalive is 5: expected an object or false$/,
    ],
    [() => grpcConnector({ keepalive: { timeoutMs: 0 } }), RangeError, /^option keepalive\.timeoutMs is 0/],
    [() => grpcConnector({ limits: 1 as Anything }), TypeError, /^option limits is 1/],
    [
      () => grpcConnector({ limits: { connectionWindowBytes: 1 } }),
      RangeError,
      /^option limits\.connectionWindowBytes is 1: .* 65535/,
    ],
    [() => grpcConnector({ maxAgeMs: NaN }), TypeError, /^option maxAgeMs is NaN/],
    [() => grpcConnector(null as Anything), TypeError, /^grpcConnector\(\) takes an options object, not null$/],
    [
      () => grpcConnector(Promise.resolve({ tls: {} }) as Anything),
      TypeError,
      /^grpcConnector\(\) takes an options object, not a promise$/,
    ],
    [
      () => grpcConnector({ tls: Promise.resolve({}) as Anything }),
      TypeError,
      /^tls takes an options object, not a pro/,
    ],
    [() => grpcConnector("a:1" as Anything), TypeError, /takes an options object, not "a:1"$/],
    [
      () => createEtcdRegistry(undefined as Anything),
      TypeError,
      /takes an options object with endpoints, not undefined$/,
    ],
    [() => createEtcdRegistry({ ...etcd, tls: "ca" as Anything }), TypeError, /^option tls is a string: expected/],
    [() => createMemoryRegistry({ clock: 5 as Anything }), TypeError, /^option clock is 5: expected a clock/],
    [
      () => createMemoryRegistry().register({ ...server, weight: 0 }),
      RangeError,
      /^option weight is 0: expected a finite number/,
    ],
    [
      () => createMemoryRegistry().register([] as Anything),
      TypeError,
      /register\(\) takes an options object with service and add/,
    ],
    [
      () => createMemoryEtcd({ keepRevisions: "9" as Anything }),
      TypeError,
      /^option keepRevisions is "9": expected a whole number from 1$/,
    ],
    [() => dnsResolver("a.test:1", { servers: [5] as Anything }), TypeError, /^option servers is an array: expected/],
    [() => dnsResolver("a.test:1", { lookup: {} as Anything }), TypeError, /^option lookup is \{\}: expected a lookup/],
    [() => kratos({ secure: "yes" as Anything }), TypeError, /^option secure is "yes": expected true or false$/],
    [() => goZero("12" as Anything), TypeError, /^goZero\(\) takes an options object, not "12"$/],
    [
      () => createBalancedTransport({ resolver, connector, retry: { maxAttempts: "4" as Anything } }),
      TypeError,
      /^option retry\.maxAttempts is "4": expected a whole number from 1$/,
    ],
    [
      () => createBalancedTransport({ resolver, connector, retry: { codes: ["Unavailable"] as Anything } }),
      TypeError,
      /^option retry\.codes is an array: expected an array of Connect codes/,
    ],
    [
      () => createBalancedTransport({ resolver, connector, retry: { methods: ["/proto.Simple/Route"] } }),
      TypeError,
      /^option retry\.methods is an array: expected an array of names/,
    ],
  ];
  for (const [create, Kind, message] of wrong) {
    it(`is refused at once: ${message.source}`, () => {
      assert.throws(
        create,
        (error: Error) => error instanceof Kind && message.test(error.message) || assert.fail(error),
      );
    });
  }

  it("is a built-in object where options are expected, and a hole in a list", () => {
    for (
      const given of [new Map(), new Set(), new Date(), /x/, new Error("e"), new URL("http://a:1"), new Uint8Array()]
    ) {
      for (const take of [grpcConnector, createMemoryRegistry, grpclb, (o: Anything) => balance(o)] as Anything[]) {
        assert.throws(
          () => take(given),
          (error: Error) => error instanceof TypeError && /takes an opt/.test(error.message),
        );
      }
      assert.throws(() => grpcConnector({ limits: given as Anything }), /^TypeError: option limits is an object \(/);
    }
    const codes: Anything[] = [];
    codes[1] = 14;
    assert.throws(() => createBalancedTransport({ resolver, connector, retry: { codes } }), /option retry\.codes is/);
    assert.throws(
      () => balance({}, { contextValues: 5 as Anything }),
      /^TypeError: balance\(\) takes Connect's call options with contextValues, not 5$/,
    );
  });

  it("accepts objects of any other kind", () => {
    class Options {
      #ms = 5;
      get connectTimeoutMs() {
        return this.#ms;
      }
    }
    const proxied = new Proxy({ connectTimeoutMs: 5 }, {});
    const frozen = Object.freeze({ connectTimeoutMs: 5, [Symbol("mine")]: 1 });
    const bare = Object.assign(Object.create(null), { connectTimeoutMs: 5 });
    for (const options of [new Options(), proxied, frozen, bare, Object.create(frozen)]) grpcConnector(options);
  });

  it("is refused by update() and shutdown() before anything is done", async () => {
    const registration = createMemoryRegistry().register(server);
    await registration.ready;
    await assert.rejects(
      registration.update({ wheight: 2 } as Anything),
      /update\(\) has no option "wheight": did you mean weight/,
    );
    await assert.rejects(registration.update({ zone: 5 } as Anything), /option zone is 5/);
    for (const options of [{ settleMs: -1 }, { drainMs: "5s" }, { drain: 5 }]) {
      await assert.rejects(shutdown(createServer(), { registration, ...options } as Anything), /option|drainMs/);
    }
    assert.equal(registration.state, "registered");
  });

  it("never shows a password or a key", () => {
    const secrets: Anything[] = [{ ...etcd, username: "u", password: 12345 }, { ...etcd, tls: { key: 12345 } }];
    for (const options of secrets) {
      assert.throws(() => createEtcdRegistry(options), (error: Error) => !error.message.includes("12345"));
    }
    assert.throws(
      () => grpcConnector({ tls: "-----BEGIN" as Anything }),
      (error: Error) => !error.message.includes("BEGIN"),
    );
  });
});

describe("what is given uncalled", () => {
  const uncalled: [name: string, create: () => unknown][] = [
    ["grpcConnector", () => createBalancedTransport({ resolver, connector: grpcConnector as Anything })],
    ["transportConnector", () => createBalancedTransport({ resolver, connector: transportConnector as Anything })],
    ["roundRobin", () => createBalancedTransport({ resolver, connector, policy: roundRobin as Anything })],
    ["staticResolver", () => createBalancedTransport({ resolver: staticResolver as Anything, connector })],
    ["resolver", () => createBalancedTransport({ resolver: createEtcdRegistry(etcd).resolver as Anything, connector })],
    ["kratos", () => createEtcdRegistry({ ...etcd, layout: kratos as Anything })],
    ["transportConnector", () => createEtcdRegistry({ ...etcd, connector: transportConnector as Anything })],
  ];
  for (const [name, create] of uncalled) {
    it(`is refused at once with a hint: ${name}`, () => {
      assert.throws(create, (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, new RegExp(`is the function ${name}: expected .*\\. Call it: ${name}\\(…\\)$`));
        return true;
      });
    });
  }

  it("accepts a user's own connector or policy, which is a function", () => {
    createBalancedTransport({
      resolver,
      connector: (endpoint, events) => connector(endpoint, events),
      policy: roundRobin(),
    });
  });
});

describe("TLS options that a function gives", () => {
  it("are checked when it is asked", async () => {
    const { open } = destinationOf({ address: "127.0.0.1:1" }, () => ({ rejectUnauthorised: false }) as Anything);
    const { signal } = new AbortController();
    await assert.rejects(
      open(signal),
      /tls has no option "tls\.rejectUnauthorised": did you mean tls\.rejectUnauthorized\?/,
    );
  });
});

describe("messages", () => {
  it("show a value as its user would write it, and of an object only what it is", () => {
    const shown: [value: unknown, text: string][] = [
      ["a\n", '"a\\n"'],
      ["x".repeat(200), `"${"x".repeat(100)}"`],
      [undefined, "undefined"],
      [null, "null"],
      [NaN, "NaN"],
      [5n, "5"],
      [Symbol("s"), "Symbol(s)"],
      [[1], "an array"],
      [{}, "{}"],
      [{ password: "p" }, "an object"],
      [Promise.resolve(), "a promise"],
      [new Map([["password", "p"]]), "an object (Map)"],
      [new Error("secret"), "an object (Error)"],
      [quoted, "the function quoted"],
      [(() => () => {})(), "a function"],
    ];
    for (const [value, text] of shown) assert.equal(quoted(value), text);
  });

  it("find the nearest name and no far one, and cost little for a long one", () => {
    const refused = (name: string, ...names: string[]) => () => refuseUnknown("f()", { [name]: 1 }, names);
    assert.throws(refused("colour", "color", "cooler"), /f\(\) has no option "colour": did you mean color\?$/);
    assert.throws(refused("zzz", "color"), /it takes color$/);
    assert.throws(refused("ratio", "tokenRatio", "rat"), /did you mean tokenRatio\?$/);
    assert.throws(refused("reporting", "report"), /did you mean report\?$/);
    assert.throws(refused("port", "loadReports"), /it takes loadReports$/);
    assert.throws(refused("a"), /it takes none$/);
    assert.throws(refused("x".repeat(1e6), "color"), (error: Error) => error.message.length < 200);
    assert.throws(refused("__proto__x", "color"), TypeError);
    assert.throws(() => refuseUnknown("f()", JSON.parse('{"__proto__": 1}'), ["color"]), /no option "__proto__"/);
    assert.throws(() => refuseUnknown("f()", { toString: 1 }, ["color"]), /no option "toString"/);
  });
});
