import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dubboApplication } from "../../src/registry/layout/dubbo-application.ts";
import { dubboInterface } from "../../src/registry/layout/dubbo-interface.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { goJson, goMap } from "../../src/registry/layout/go-json.ts";
import { goMicro } from "../../src/registry/layout/go-micro.ts";
import { goZero } from "../../src/registry/layout/go-zero.ts";
import { grpclb } from "../../src/registry/layout/grpclb.ts";
import { kitex } from "../../src/registry/layout/kitex.ts";
import { kratos } from "../../src/registry/layout/kratos.ts";
import type { Layout, LayoutEntry } from "../../src/registry/layout/layout.ts";
import { readEntry } from "../../src/registry/layout/read.ts";
import { wonaming } from "../../src/registry/layout/wonaming.ts";
import { wwcdGrpcLb } from "../../src/registry/layout/wwcd-grpc-lb.ts";

const entry = (more: Partial<LayoutEntry> = {}): LayoutEntry => ({
  service: "helloworld",
  address: "10.0.0.5:9000",
  lease: 7587869123n,
  ...more,
});

/** Keys and values as the Go projects write them, byte for byte. */
const GOLDEN: readonly [what: string, layout: Layout, entry: LayoutEntry, key: string, value: string][] = [
  ["grpclb", grpclb(), entry(), "/grpclb/helloworld/10.0.0.5:9000", "10.0.0.5:9000"],
  [
    "grpclb, wonaming's prefix",
    grpclb({ prefix: "/wonamingv3" }),
    entry(),
    "/wonamingv3/helloworld/10.0.0.5:9000",
    "10.0.0.5:9000",
  ],
  [
    "grpclb, wwcd's prefix, IPv6",
    grpclb({ prefix: "/etcdv3_resolver/" }),
    entry({ address: "[::1]:9000" }),
    "/etcdv3_resolver/helloworld/[::1]:9000",
    "[::1]:9000",
  ],
  [
    "etcdNaming",
    etcdNaming(),
    entry(),
    "helloworld/10.0.0.5:9000",
    '{"Op":0,"Addr":"10.0.0.5:9000","Metadata":null}',
  ],
  [
    "etcdNaming, a string as metadata",
    etcdNaming(),
    entry({ metadata: 'a<b>&"c"\u2028\u2029 é\n\u0001' }),
    "helloworld/10.0.0.5:9000",
    '{"Op":0,"Addr":"10.0.0.5:9000","Metadata":"a\\u003cb\\u003e\\u0026\\"c\\"\\u2028\\u2029 é\\n\\u0001"}',
  ],
  [
    "etcdNaming, weight, zone and an object",
    etcdNaming(),
    entry({ weight: 2.5, zone: "b", metadata: { 10: 1, 9: [null, true, { z: 1, a: {} }], "é": "", Z: 1e21 } }),
    "helloworld/10.0.0.5:9000",
    '{"Op":0,"Addr":"10.0.0.5:9000","Metadata":{"10":1,"9":[null,true,{"a":{},"z":1}],"Z":1e+21,"weight":2.5,"zone":"b","é":""}}',
  ],
  [
    "etcdNaming, a weight alone",
    etcdNaming(),
    entry({ weight: 2 }),
    "helloworld/10.0.0.5:9000",
    '{"Op":0,"Addr":"10.0.0.5:9000","Metadata":{"weight":2}}',
  ],
  [
    "etcdNaming, a zone alone",
    etcdNaming(),
    entry({ zone: "b" }),
    "helloworld/10.0.0.5:9000",
    '{"Op":0,"Addr":"10.0.0.5:9000","Metadata":{"zone":"b"}}',
  ],
  ["goZero", goZero(), entry(), "helloworld/7587869123", "10.0.0.5:9000"],
  ["goZero, its own id", goZero({ id: 12 }), entry(), "helloworld/12", "10.0.0.5:9000"],
  [
    "kratos",
    kratos({ id: "e7b1", version: "v1.0.0" }),
    entry({ weight: 10 }),
    "/microservices/helloworld/e7b1",
    '{"id":"e7b1","name":"helloworld","version":"v1.0.0","metadata":{"weight":"10"},"endpoints":["grpc://10.0.0.5:9000"]}',
  ],
  [
    "kratos, nothing given but TLS",
    kratos({ secure: true }),
    entry(),
    "/microservices/helloworld/10.0.0.5:9000",
    '{"id":"10.0.0.5:9000","name":"helloworld","version":"","metadata":null,"endpoints":["grpc://10.0.0.5:9000?isSecure=true"]}',
  ],
  [
    "kitex",
    kitex(),
    entry(),
    "kitex/registry-etcd/helloworld/10.0.0.5:9000",
    '{"network":"tcp","address":"10.0.0.5:9000","weight":10,"tags":null}',
  ],
  [
    "kitex, weight, zone and tags",
    kitex(),
    entry({ weight: 3, zone: "eu", metadata: { cluster: "<a>" } }),
    "kitex/registry-etcd/helloworld/10.0.0.5:9000",
    String.raw`{"network":"tcp","address":"10.0.0.5:9000","weight":3,"tags":{"cluster":"\u003ca\u003e","zone":"eu"}}`,
  ],
  ["wonaming", wonaming(), entry(), "/wonamingv3/helloworld/10.0.0.5:9000", "10.0.0.5:9000"],
  [
    "wwcdGrpcLb, IPv6 as Go joins host and port",
    wwcdGrpcLb(),
    entry({ address: "[2001:db8::5]:50001" }),
    "/etcdv3_resolver/helloworld/[2001:db8::5]:50001",
    "[2001:db8::5]:50001",
  ],
  [
    "goMicro",
    goMicro({ id: "helloworld-62f1" }),
    entry(),
    "/micro/registry/helloworld/helloworld-62f1",
    '{"name":"helloworld","version":"latest","metadata":null,"endpoints":null,"nodes":[{"metadata":{"protocol":"grpc"},"id":"helloworld-62f1","address":"10.0.0.5:9000"}]}',
  ],
  [
    "goMicro, slashes, weight, zone and escapes",
    goMicro({ id: "a/b/1", version: "v2" }),
    entry({ service: "shop/api", weight: 3, zone: "eu", metadata: { note: "<&>" } }),
    "/micro/registry/shop-api/a-b-1",
    String
      .raw`{"name":"shop/api","version":"v2","metadata":null,"endpoints":null,"nodes":[{"metadata":{"note":"\u003c\u0026\u003e","protocol":"grpc","weight":"3","zone":"eu"},"id":"a/b/1","address":"10.0.0.5:9000"}]}`,
  ],
  [
    "dubboApplication",
    dubboApplication(),
    entry(),
    "/services/helloworld/10.0.0.5:9000",
    '{"ID":"10.0.0.5:9000","ServiceName":"helloworld","Host":"10.0.0.5","Port":9000,"Weight":0,"Enable":true,"Healthy":true,"Metadata":null,"ServiceMetadata":null,"Address":"","GroupName":"","Tag":""}\n',
  ],
  [
    "dubboApplication, weight, zone, metadata and IPv6",
    dubboApplication(),
    entry({ address: "[::1]:9000", weight: 50, zone: "eu", metadata: { "dubbo.metadata.revision": "1", "<b>": "&" } }),
    "/services/helloworld/::1:9000",
    String
      .raw`{"ID":"::1:9000","ServiceName":"helloworld","Host":"::1","Port":9000,"Weight":50,"Enable":true,"Healthy":true,"Metadata":{"\u003cb\u003e":"\u0026","dubbo.metadata.revision":"1","zone":"eu"},"ServiceMetadata":null,"Address":"","GroupName":"","Tag":""}` +
    "\n",
  ],
  [
    "dubboInterface",
    dubboInterface(),
    entry({ service: "org.apache.Greeter" }),
    "/dubbo/org.apache.Greeter/providers/tri%3A%2F%2F10.0.0.5%3A9000%2Forg.apache.Greeter%3Fanyhost%3Dtrue%26interface%3Dorg.apache.Greeter%26side%3Dprovider",
    "",
  ],
  [
    "dubboInterface, its parameters in the order of their names, a $ and IPv6",
    dubboInterface({ parameters: { version: "1.0.0", group: "a(b)!*'" } }),
    entry({ service: "a.Outer$Inner", address: "[::1]:9000" }),
    "/dubbo/a.Outer%24Inner/providers/tri%3A%2F%2F%5B%3A%3A1%5D%3A9000%2Fa.Outer%24Inner%3Fanyhost%3Dtrue%26group%3Da%28b%29%21%2A%27%26interface%3Da.Outer%24Inner%26side%3Dprovider%26version%3D1.0.0",
    "",
  ],
];

/** The weight that a layout's readers take for one that isn't given. */
const USUAL_WEIGHTS: readonly (readonly [layout: RegExp, weight: number])[] = [[/^kitex/, 10], [/^dubbo/, 100]];

describe("layouts", () => {
  for (const [what, layout, given, key, value] of GOLDEN) {
    it(`${what}: writes what Go writes, under the service's prefix, and reads it back`, () => {
      assert.deepEqual(layout.write(given), { key, value });
      const prefix = layout.prefix(given.service);
      assert.ok(key.startsWith(prefix) && prefix.endsWith("/"), prefix);
      const { address, weight, zone } = layout.read(key, value);
      assert.equal(address, given.address);
      assert.equal(zone, given.zone);
      assert.equal(weight, given.weight ?? USUAL_WEIGHTS.find(([layout]) => layout.test(what))?.[1]);
    });
  }

  it("etcdNaming keeps what metadata says of a weight or a zone beside the other", () => {
    const metadata = { weight: 5, zone: "z" };
    assert.match(etcdNaming().write(entry({ weight: 2, metadata })).value, /\{"weight":2,"zone":"z"\}/);
    assert.match(etcdNaming().write(entry({ zone: "b", metadata })).value, /\{"weight":5,"zone":"b"\}/);
  });

  it("refuse attributes that they can't store, and name them", () => {
    for (const layout of [grpclb(), wonaming(), wwcdGrpcLb(), goZero(), dubboInterface()]) {
      assert.throws(() => layout.write(entry({ weight: 1 })), /can't store weight/);
      assert.throws(() => layout.write(entry({ zone: "a" })), /can't store zone/);
      assert.throws(() => layout.write(entry({ metadata: null })), /can't store metadata/);
    }
    for (const layout of [kratos(), kitex(), goMicro(), dubboApplication()]) {
      assert.throws(() => layout.write(entry({ metadata: "x" })), TypeError);
      assert.throws(() => layout.write(entry({ metadata: { a: 1 } })), /metadata a: 1/);
      assert.throws(() => layout.write(entry({ weight: 1.5 })), RangeError);
    }
    for (const metadata of ["x", null, ["x"]]) {
      const message = /^TypeError: metadata .* the layout etcdNaming takes an object/;
      assert.throws(() => etcdNaming().write(entry({ weight: 1, metadata })), message);
    }
    for (const metadata of [["x"], null]) {
      assert.throws(() => kratos().write(entry({ metadata })), /^TypeError: metadata .*: the layout kratos takes/);
    }
  });

  it("check their options", () => {
    assert.throws(() => grpclb({ prefix: "" }), /prefix is ""/);
    assert.throws(() => grpclb({ prefix: 5 as unknown as string }), /prefix is 5/);
    assert.throws(() => grpclb({ prefix: "/a\n" }), TypeError);
    assert.throws(() => etcdNaming({ prefix: "" }), /prefix is ""/);
    assert.throws(() => goZero({ id: "" }), /id is ""/);
    assert.throws(() => goMicro({ id: "" }), /id is ""/);
    assert.throws(() => goMicro({ version: 5 as unknown as string }), /version is 5/);
    assert.throws(() => wonaming({ prefix: "/x" } as never), /^TypeError: wonaming\(\) has no option "prefix"/);
    assert.throws(() => wwcdGrpcLb({ prefix: "/x" } as never), /^TypeError: wwcdGrpcLb\(\) has no option/);
    assert.throws(() => dubboApplication({ prefix: "/x" } as never), TypeError);
    assert.throws(() => dubboInterface({ parameters: "x" as never }), /parameters is "x"/);
    for (const value of ["a&b=c", "a b", "50%", "a+b", "a#b", "a?b", "a\n", 5 as never]) {
      assert.throws(() => dubboInterface({ parameters: { tag: value } }), /parameters\.tag is .*expected text without/);
    }
    assert.throws(() => kitex({ weight: 1 } as never), /^TypeError: kitex\(\) has no option "weight"/);
    assert.throws(() => kratos({ id: "" }), TypeError);
    assert.throws(() => kratos({ version: 5 as unknown as string }), /version is 5/);
  });
});

describe("the service that an entry belongs to", () => {
  for (const [what, layout, given, key, value] of GOLDEN) {
    it(`${what}: is read from what is written, below the layout's root`, () => {
      assert.equal(layout.serviceOf?.(key, value), given.service);
      assert.ok(key.startsWith(layout.root ?? key + 1), String(layout.root));
      assert.equal(layout.owns?.(given.service, key, value) ?? true, true);
    });
  }

  const named = (name: string) => `{"id":"x","name":"${name}","endpoints":["grpc://10.0.0.5:80"]}`;
  const CASES: readonly [layout: Layout, key: string, value: string, service: string | undefined][] = [
    [grpclb(), "/grpclb/a/10.0.0.5:80", "10.0.0.5:80", "a"],
    [grpclb(), "/grpclb/a/b/10.0.0.5:80", "10.0.0.5:80", undefined],
    [grpclb(), "/grpclb/a", "10.0.0.5:80", undefined],
    [grpclb(), "/grpclb//10.0.0.5:80", "10.0.0.5:80", undefined],
    [grpclb(), "/grpclbs/a/10.0.0.5:80", "10.0.0.5:80", undefined],
    [grpclb({ prefix: "/x/y/" }), "/x/y/a/10.0.0.5:80", "10.0.0.5:80", "a"],
    [etcdNaming(), "a/b/10.0.0.5:80", "", "a/b"],
    [etcdNaming(), "a", "", undefined],
    [etcdNaming({ prefix: "foo/bar" }), "foo/bar/a/b/10.0.0.5:80", "", "a/b"],
    [etcdNaming({ prefix: "foo/bar" }), "foo/a/10.0.0.5:80", "", undefined],
    [goZero(), "/service/hello.rpc/75", "10.0.0.5:80", "/service/hello.rpc"],
    [kitex(), "kitex/registry-etcd/a/b/10.0.0.5:80", "{}", "a"],
    [kitex(), "kitex/registry-etcd/a", "{}", undefined],
    [kratos(), "/microservices/a/b/x", named("a/b"), "a/b"],
    // An id may have a slash.
    [kratos(), "/microservices/a/b/x", named("a"), "a"],
    [wonaming(), "/wonamingv3/a/b/10.0.0.5:80", "10.0.0.5:80", undefined],
    [goMicro(), "/micro/registry/a-b/x", `{"name":"a/b","nodes":[]}`, "a/b"],
    [goMicro(), "/micro/registry/a-b/x", `{"name":"a-b","nodes":[]}`, "a-b"],
    [goMicro(), "/micro/registry/a/x", `{"name":"b","nodes":[]}`, undefined],
    [goMicro(), "/micro/registry/a-b/x", "10.0.0.5:80", "a-b"],
    [dubboApplication(), "/services/a/10.0.0.5:80", "{}", "a"],
    [dubboApplication(), "/services/a/b/10.0.0.5:80", "{}", undefined],
    [dubboInterface(), "/dubbo/a%24b/providers/tri%3A%2F%2F10.0.0.5%3A80", "", "a$b"],
    // What Dubbo writes besides: the folders on the way, consumers, configuration.
    [dubboInterface(), "/dubbo/a/providers", "", undefined],
    [dubboInterface(), "/dubbo/a/consumers/consumer%3A%2F%2F10.0.0.5%2Fa", "", undefined],
    [dubboInterface(), "/dubbo/config/dubbo/a.configurators", "", undefined],
    [dubboInterface(), "/dubbo/%/providers/tri%3A%2F%2F10.0.0.5%3A80", "", undefined],
    [dubboInterface(), "/dubbo//providers/tri%3A%2F%2F10.0.0.5%3A80", "", undefined],
    [kratos(), "/microservices/a/x", named("b"), undefined],
    [kratos(), "/microservices/a/b/x", "10.0.0.5:80", "a/b"],
  ];
  for (const [layout, key, value, service] of CASES) {
    it(`is ${service} for ${key} → ${value || "nothing"}`, () => {
      assert.equal(layout.serviceOf?.(key, value), service);
      // What is listed can be resolved.
      if (service === undefined) return;
      assert.ok(key.startsWith(layout.prefix(service)));
      assert.equal(layout.owns?.(service, key, value) ?? true, true);
    });
  }
});

describe("names with a slash", () => {
  const layouts = {
    grpclb: grpclb(),
    goMicro: goMicro(),
    dubboApplication: dubboApplication(),
    dubboInterface: dubboInterface(),
    etcdNaming: etcdNaming(),
    goZero: goZero(),
    kratos: kratos(),
    kitex: kitex(),
  };

  it("are taken where the Go side takes them", () => {
    const taking = Object.entries(layouts).filter(([, { slashes }]) => slashes).map(([name]) => name);
    assert.deepEqual(taking, ["goMicro", "etcdNaming", "goZero", "kratos"]);
  });

  it("stand in keys as they are", () => {
    const keys = (layout: Layout, service: string) => layout.write({ ...entry(), service }).key;
    assert.equal(keys(etcdNaming(), "foo/bar/my-service"), "foo/bar/my-service/10.0.0.5:9000");
    assert.match(keys(goZero(), "/service/hello.rpc"), /^\/service\/hello\.rpc\/\d+$/);
    assert.equal(keys(kratos(), "st/sub"), "/microservices/st/sub/10.0.0.5:9000");
  });

  it("a prefix of etcdNaming comes before them", () => {
    for (const prefix of ["foo/bar", "foo/bar/"]) {
      const layout = etcdNaming({ prefix });
      assert.equal(layout.prefix("my-service"), "foo/bar/my-service/");
      assert.equal(layout.write({ ...entry(), service: "my-service" }).key, "foo/bar/my-service/10.0.0.5:9000");
    }
    assert.equal(etcdNaming({ prefix: "/foo" }).prefix("a"), "/foo/a/");
  });

  it("decide whose an entry behind a further slash is as the Go side does", () => {
    const owns = (layout: Layout, key: string, value: string) => layout.owns?.("st", key, value) ?? true;
    assert.ok(owns(layouts.grpclb, "/grpclb/st/10.0.0.5:80", "10.0.0.5:80"));
    assert.ok(!owns(layouts.grpclb, "/grpclb/st/sub/10.0.0.5:80", "10.0.0.5:80"));
    assert.ok(owns(layouts.etcdNaming, "st/sub/10.0.0.5:80", '{"Op":0,"Addr":"10.0.0.5:80","Metadata":null}'));
    assert.ok(owns(layouts.goZero, "st/sub/7587869", "10.0.0.5:80"));
    assert.ok(owns(layouts.kitex, "kitex/registry-etcd/st/sub/10.0.0.5:80", '{"address":"10.0.0.5:80"}'));
    const value = (name: string) => `{"id":"x","name":"${name}","endpoints":["grpc://10.0.0.5:80"]}`;
    assert.ok(owns(layouts.kratos, "/microservices/st/x", value("st")));
    // An id may have a slash, too.
    assert.ok(owns(layouts.kratos, "/microservices/st/x/y", value("st")));
    assert.ok(!owns(layouts.kratos, "/microservices/st/sub/x", value("st/sub")));
    assert.ok(!owns(layouts.kratos, "/microservices/st/x", value("another")));
    // Values without a name, of other spellings or broken ones, are told by their keys.
    for (const other of ["10.0.0.5:80", "{", '{"name":5}', "null", ""]) {
      assert.ok(owns(layouts.kratos, "/microservices/st/10.0.0.5:80", other));
      assert.ok(!owns(layouts.kratos, "/microservices/st/sub/10.0.0.5:80", other));
    }
  });
});

describe("reading an entry", () => {
  const reads = (value: string, key = "/x/a/key") => readEntry(key, value);

  it("takes the spellings of all known projects", () => {
    const address = "10.0.0.5:80";
    for (
      const value of [
        "10.0.0.5:80",
        " 10.0.0.5:80\n",
        "grpc://10.0.0.5:80",
        "tri://10.0.0.5:80/greet.Greeter?group=&version=1",
        '{"Op":0,"Addr":"10.0.0.5:80","Metadata":"x"}',
        '{"address":"10.0.0.5:80"}',
        '{"endpoints":["http://10.0.0.5:8000","grpc://10.0.0.5:80"]}',
        '{"endpoints":["http://10.0.0.5:80"]}',
        '{"endpoints":["tri://10.0.0.5:8000","http://10.0.0.5:80"]}',
        '{"endpoints":["tri://10.0.0.5:80","dubbo://10.0.0.5:8000"]}',
        '{"name":"greeter","metadata":null,"endpoints":null,"nodes":[{"id":"g-1","address":"10.0.0.5:80"}]}',
        '{"ID":"x","ServiceName":"a","Host":"10.0.0.5","Port":80,"Enable":true,"Healthy":true}',
      ]
    ) assert.equal(reads(value).address, address, value);
    assert.equal(reads('{"Host":"::1","Port":80}').address, "[::1]:80");
    assert.equal(reads("", "/wonamingv3/a/10.0.0.5:80").address, address);
    assert.equal(reads("", "/dubbo/I/providers/dubbo%3A%2F%2F10.0.0.5%3A80%2FI%3Fa%3Db").address, address);
  });

  it("takes TLS from the scheme or from isSecure", () => {
    for (const url of ["https://a:1", "grpcs://a:1", "grpc://a:1?isSecure=true", "grpc://a:1?x=1&isSecure=true"]) {
      assert.deepEqual(reads(url), { address: "a:1", secure: true }, url);
    }
    for (const url of ["http://a:1", "grpc://a:1?isSecure=false", "grpc://a:1?notisSecure=true", "a:1"]) {
      assert.deepEqual(reads(url), { address: "a:1" }, url);
    }
  });

  it("takes weight, zone and metadata from where they are", () => {
    const weights: [string, number | undefined][] = [
      ['{"Addr":"a:1","Metadata":{"weight":3}}', 3],
      ['{"Addr":"a:1","metadata":{"weight":"4"}}', 4],
      ['{"address":"a:1","weight":5}', 5],
      ['{"Host":"a","Port":1,"Weight":6}', 6],
      ['{"nodes":[{"address":"a:1","metadata":{"weight":"7"}}]}', 7],
      ['{"Addr":"a:1","Metadata":{"weight":-1},"weight":8}', 8],
      ['{"Addr":"a:1","weight":1}', 1],
      ['{"Addr":"a:1","weight":"0.5"}', 0.5],
      ...["0", '"0"', '""', '" "', '"x"', "null", "1e999", "[1]", "true"].map((weight): [string, undefined] => [
        `{"Addr":"a:1","weight":${weight}}`,
        undefined,
      ]),
    ];
    for (const [value, weight] of weights) assert.equal(reads(value).weight, weight, value);
    assert.deepEqual(reads('{"address":"a:1","tags":{"zone":"z","k":"v"}}'), {
      address: "a:1",
      zone: "z",
      metadata: { zone: "z", k: "v" },
    });
    assert.deepEqual(reads('{"Addr":"a:1","zone":5}'), { address: "a:1" });
    assert.deepEqual(reads('{"Addr":"a:1","Metadata":[1]}').metadata, [1]);
  });

  it("wonaming takes the address from the key, whatever the value says", () => {
    for (const value of ["10.0.0.9:1", "", "not an address"]) {
      assert.deepEqual(wonaming().read("/wonamingv3/a/10.0.0.5:80", value), { address: "10.0.0.5:80" });
    }
    assert.throws(() => wonaming().read("/wonamingv3/a/x", "10.0.0.9:1"), Error);
  });

  it("goMicro takes what the node says of itself, even if the service has metadata as well", () => {
    const value = '{"name":"a","version":"1","metadata":{"weight":"9","k":"s"},"endpoints":[{"name":"A.B"}],"nodes":[' +
      '{"metadata":{"weight":"2","zone":"z"},"id":"a-1","address":"10.0.0.5:80"}]}';
    assert.deepEqual(goMicro().read("/micro/registry/a/a-1", value), {
      address: "10.0.0.5:80",
      weight: 2,
      zone: "z",
      metadata: { weight: "2", zone: "z" },
    });
  });

  it("read what programs on go-micro v4.10 and dubbo-go v3.3 wrote", () => {
    const written = String
      .raw`{"name":"theirs","version":"latest","metadata":null,"endpoints":[{"request":{"name":"StringValue","type":"StringValue","values":[{"name":"value","type":"string","values":null}]},"response":null,"metadata":{},"name":"Simple.Route"}],"nodes":[{"metadata":{"protocol":"grpc","team":"\u003ca\u003e"},"id":"theirs-c5e8d8f7","address":"127.0.0.1:39071"}]}`;
    assert.deepEqual(goMicro().read("/micro/registry/theirs/theirs-c5e8d8f7", written), {
      address: "127.0.0.1:39071",
      metadata: { protocol: "grpc", team: "<a>" },
    });
    const instance = String
      .raw`{"ID":"10.0.0.5:9000","ServiceName":"theirs","Host":"10.0.0.5","Port":9000,"Enable":true,"Healthy":true,"Metadata":{"team":"\u003ca\u003e"},"ServiceMetadata":{"app":"theirs","Tag":"blue"},"Address":"","GroupName":"","Tag":"blue"}`;
    assert.deepEqual(dubboApplication().read("/services/theirs/10.0.0.5:9000", `${instance}\n`), {
      address: "10.0.0.5:9000",
      weight: 100,
      metadata: { team: "<a>" },
    });
  });

  it("dubboApplication leaves out what is not enabled or not healthy, and takes a weight of 0 or less for 100", () => {
    const instance = (more: string) => `{"ID":"x","ServiceName":"a","Host":"10.0.0.5","Port":80,${more}}\n`;
    const read = (more: string) => dubboApplication().read("/services/a/10.0.0.5:80", instance(more));
    assert.throws(() => read('"Enable":false,"Healthy":true'), /disabled or unhealthy/);
    assert.throws(() => read('"Enable":true,"Healthy":false'), /disabled or unhealthy/);
    assert.equal(read('"Enable":true,"Healthy":true,"Weight":0').weight, 100);
    assert.equal(read('"Enable":true,"Healthy":true,"Weight":-1').weight, 100);
    // Releases before it had weights.
    assert.equal(read('"Enable":true,"Healthy":true').weight, 100);
    assert.equal(read('"Weight":7').weight, 7);
  });

  it("dubboInterface reads all from the key as Go escapes it, and leaves out protocols that are not gRPC", () => {
    const key = (url: string) => `/dubbo/a.Greeter/providers/${encodeURIComponent(url).replaceAll("%20", "+")}`;
    const read = (url: string, value = "") => dubboInterface().read(key(url), value);
    const { metadata, ...rest } = read("tri://10.0.0.5:80/a.Greeter?anyhost=true&timestamp=1&weight=7&zone=z&note=a b");
    assert.deepEqual(rest, { address: "10.0.0.5:80", weight: 7, zone: "z" });
    assert.equal((metadata as Record<string, string>)["note"], "a b");
    assert.equal(read("grpcs://10.0.0.5:80/a.Greeter").secure, true);
    assert.equal(read("tri://10.0.0.5:80/a.Greeter?weight=x").weight, 100);
    assert.equal(read("tri://10.0.0.5:80/a?x=1", "10.0.0.9:1").address, "10.0.0.9:1");
    assert.throws(() => read("dubbo://10.0.0.5:80/a.Greeter"), /it speaks dubbo, which is not gRPC/);
    assert.throws(() => read("10.0.0.5:80"), /its key ends with no URL/);
    assert.throws(() => read("tri://user@10.0.0.5:80/a.Greeter"), Error);
    assert.throws(() => read("tri://0.0.0.0:80/a.Greeter"), /wildcard/);
    assert.throws(() => dubboInterface().read("/dubbo/a/providers/%zz", ""), Error);
    const { metadata: hostile } = read("tri://10.0.0.5:80/a?__proto__=x");
    assert.equal(Object.getPrototypeOf(hostile), Object.prototype);
  });

  it("kitex takes a weight of 0 or less for 10", () => {
    assert.equal(kitex().read("k", '{"address":"a:1","weight":0}').weight, 10);
  });

  const hostile = [
    "evil.example/@host:1",
    "user@host:1",
    "http://user:secret@host:1",
    "http://host:1@evil.example:2/",
    "host:99999",
    "host:0",
    "host:-1",
    "host:1e3",
    "host:080x",
    "host",
    ":80",
    "a:1\r\nevil: header",
    "a\u0000b:1",
    "a:1 b:2",
    "0.0.0.0:80",
    "[::]:80",
    "::1:80",
    "[::1:80",
    "unix:/etc/passwd",
    "unix:///etc/passwd",
    "file:///etc/passwd",
    "http://",
    "grpc:///a:1",
    "ünïcode.example:1",
    "a?b:1",
    "a#b:1",
    "%31:1",
    "{",
    "{}",
    '{"Addr":5}',
    '{"Addr":"evil/@a:1"}',
    '{"Addr":null,"address":{},"endpoints":[]}',
    '{"endpoints":[5,{}]}',
    '{"endpoints":"http://a:1"}',
    '{"nodes":[]}',
    '{"nodes":[null]}',
    '{"Host":"a","Port":"80"}',
    '{"Host":"a/b","Port":80}',
    '{"Host":"a","Port":80.5}',
    '{"Host":"a","Port":80,"Enable":false}',
    '{"Host":"a","Port":80,"Healthy":false}',
    '{"__proto__":{"Addr":"a:1"}}',
    '{"Addr":"a:1","Metadata":{"x":{"__proto__":{"polluted":true}}}}',
    String.raw`{"Addr":"a:1","\u005f_proto__":1}`,
    `{"Addr":"a:1","Metadata":${"[".repeat(1_000)}${"]".repeat(1_000)}}`,
    `{"Addr":"a:1","Metadata":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    '{"Addr":"a:1","Metadata":',
    "a".repeat(60_000) + ":1",
    "[1]",
  ];
  for (const value of hostile) {
    it(`refuses ${JSON.stringify(value.slice(0, 60))}`, () => {
      assert.throws(() => reads(value), Error);
    });
  }

  it("says that a list of endpoints is empty", () => {
    assert.throws(() => reads('{"endpoints":[]}'), /^Error: its list of endpoints is empty$/);
  });

  it("takes JSON that is nested 32 levels deep, and no deeper", () => {
    const nested = (levels: number) => `{"Addr":"a:1","Metadata":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    assert.equal(reads(nested(32)).address, "a:1");
    assert.throws(() => reads(nested(33)), /nested deeper than 32 levels/);
  });

  it("refuses an empty value under a key that ends with no address", () => {
    for (const key of ["/a/", "/a/%", "/a/%00:1", "/a/x%2F%40y:1"]) assert.throws(() => reads("", key), Error, key);
  });

  it("does not touch the prototype", () => {
    assert.throws(() => reads('{"Metadata":{"__proto__":{"address":"a:1"}}}'));
    assert.equal(({} as { address?: string }).address, undefined);
    assert.throws(() => reads('{"toString":"a:1","constructor":{"address":"a:1"}}'), /contains no address/);
    const prototype = Object.prototype as { address?: string };
    try {
      prototype.address = "a:1";
      assert.throws(() => reads("{}"), /contains no address/);
    } finally {
      delete prototype.address;
    }
  });
});

describe("JSON as Go writes it", () => {
  it("keeps the order of structs and sorts maps by their bytes", () => {
    assert.equal(goJson({ b: 1, a: goMap({ b: 1, a: 2, "10": 3, "9": 4 }) }), '{"b":1,"a":{"10":3,"9":4,"a":2,"b":1}}');
    const sorted = '{"":0,"a":0,"aa":0,"ab":0,"b":0}';
    for (const keys of ["b ab aa a ", " a aa ab b", "aa  ab b a", "ab a b  aa", "a b  aa ab"]) {
      assert.equal(goJson(goMap(Object.fromEntries(keys.split(" ").map((key) => [key, 0])))), sorted, keys);
    }
    // U+FF5E comes before U+1F600 in UTF-8, and after it in UTF-16.
    assert.equal(goJson(goMap({ "\u{1F600}": 1, "\uFF5E": 2 })), '{"\uFF5E":2,"\u{1F600}":1}');
  });

  it("writes null for what is not there, and well-formed text", () => {
    assert.equal(goJson(goMap(undefined)), "null");
    assert.equal(goJson(goMap({ a: undefined, d: new Date(0) })), '{"d":"1970-01-01T00:00:00.000Z"}');
    assert.equal(goJson("\ud800"), '"\ufffd"');
    assert.equal(goJson({ a: undefined }), '{"a":null}');
    assert.throws(() => goMap({ n: 1n }), TypeError);
  });
});
