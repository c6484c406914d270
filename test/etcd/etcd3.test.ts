// The entry connect-lb/etcd3: its options, and a client of the user's.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { sourceOf } from "../../src/etcd/driver/etcd3/client-options.ts";
import { createEtcd3Registry, type CreateEtcd3RegistryOptions } from "../../src/etcd3.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { ca, client as certificate } from "../support/tls.ts";

describe("a registry over a client of the user's", () => {
  let etcd: Etcd | undefined;
  before(async () => {
    if (!etcdSkipped) etcd = await startEtcd();
  });
  after(() => etcd?.stop());

  it("goes where the client goes, and does not touch the client", { skip: etcdSkipped }, async () => {
    const client = new Etcd3({ hosts: [etcd?.url as string] });
    const registry = createEtcd3Registry({ client, prefix: "/mine" });
    const registration = registry.register({ service: "a", address: "10.0.0.5:8000" });
    await registration.ready;
    const { endpoints } = await registry.resolver("a").list!(new AbortController().signal);
    assert.deepEqual(endpoints?.map(({ address }) => address), ["10.0.0.5:8000"]);
    assert.equal(await client.get("/mine/a/10.0.0.5:8000").string(), "10.0.0.5:8000");
    await registry.close();
    assert.equal(await client.get("/mine/a/10.0.0.5:8000").string(), null);
    client.close();
  });

  it("takes its hosts, credentials and user, but not its fault handling", () => {
    const buffers = { rootCertificate: Buffer.from(ca) };
    const grpcOptions = { "grpc.primary_user_agent": "mine" };
    const secure = new Etcd3({
      hosts: ["https://a.test:2379", "https://b.test:2379"],
      credentials: buffers,
      auth: { username: "root", password: "secret" },
      grpcOptions,
    });
    const { source, ...where } = sourceOf(secure, {});
    assert.deepEqual(where, {
      endpoints: ["https://a.test:2379", "https://b.test:2379"],
      username: "root",
      password: "secret",
    });
    assert.deepEqual(source, { Etcd3, credentials: buffers, grpcOptions });
    const endpoints = (hosts: string, credentials?: typeof buffers) =>
      sourceOf(new Etcd3(credentials === undefined ? { hosts } : { hosts, credentials }), {}).endpoints;
    assert.deepEqual(endpoints("127.0.0.1:2379"), ["127.0.0.1:2379"]);
    // The package speaks TLS to all hosts once it has credentials.
    assert.deepEqual(endpoints("127.0.0.1:2379", buffers), ["https://127.0.0.1:2379"]);
    assert.deepEqual(endpoints("http://127.0.0.1:2379", buffers), ["https://127.0.0.1:2379"]);
  });
});

describe("createEtcd3Registry", () => {
  const endpoints = ["http://127.0.0.1:1"];
  it("does nothing until it is used", async () => {
    await createEtcd3Registry({ Etcd3, endpoints, tls: { ca, ...certificate } }).close();
  });

  it("says what is wrong with its options", () => {
    const client = new Etcd3({ hosts: endpoints });
    const refused: [message: RegExp, options: unknown][] = [
      [/takes an options object/, undefined],
      [/^option Etcd3 is undefined: expected the class of the etcd3 package \(import \{ Etcd3 \} from "etcd3"\)/, {}],
      [/^option Etcd3 is an object: expected the class .*, or client: an instance/, { Etcd3: client, endpoints }],
      [/Etcd3 is set by the client: leave out client or Etcd3/, { client, Etcd3 }],
      [/endpoints is undefined: expected an array/, { Etcd3 }],
      [/expected an instance of the etcd3 package's class Etcd3/, { client: {} }],
      [/expected an instance of the etcd3 package's class Etcd3/, { client: null }],
      [/expected an instance of the etcd3 package's class Etcd3/, { client: { options: {} } }],
      [/expected an instance of the etcd3 package's class Etcd3/, { client: { options: null, watchClient: {} } }],
      [/endpoints is set by the client: leave out client or endpoints/, { client, endpoints }],
      [/password is set by the client/, { client, password: "x" }],
      [/tls is set by the client/, { client, tls: {} }],
      [/^option tls is true: expected/, { Etcd3, endpoints, tls: true }],
      [/the etcd3 package .* has no option "tls\.rejectUnauthorized": it takes ca, cert, key, servername/, {
        Etcd3,
        endpoints,
        tls: { rejectUnauthorized: false },
      }],
      [/tls\.cert and tls\.key belong together/, { Etcd3, endpoints, tls: { cert: certificate.cert } }],
      [/^option tls\.ca is a number .*: expected PEM/, { Etcd3, endpoints, tls: { ca: 1 } }],
      [/^option tls\.ca is a string .*: expected PEM .*not its path/, { Etcd3, endpoints, tls: { ca: "/etc/ca.pem" } }],
    ];
    for (const [message, options] of refused) {
      assert.throws(() => createEtcd3Registry(options as CreateEtcd3RegistryOptions), (error: Error) => {
        assert.match(error.message, message);
        return error instanceof TypeError;
      });
    }
    client.close();
  });
});
