// One client of the etcd3 package for one etcd endpoint: how it is made, what is known of its connection, how it ends; and
// one call.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../src/endpoint.ts";
import { Etcd3Call } from "../../src/etcd/driver/etcd3/etcd3-call.ts";
import { Etcd3Session, type Etcd3Source } from "../../src/etcd/driver/etcd3/etcd3-session.ts";
import type { Call } from "../../src/etcd/driver/etcd3/package.ts";
import { countListeners } from "../support/count-listeners.ts";
import { settled } from "../support/manual-clock.ts";
import { CONNECTING, FakeChannel, type FakeClient, fakeEtcd3, IDLE, READY, SHUTDOWN } from "./fake-etcd3.ts";

function setUp(source: Partial<Etcd3Source> = {}, endpoint: Endpoint = { address: "e1:1" }) {
  const { Etcd3, clients } = fakeEtcd3();
  const story: string[] = [];
  const session = new Etcd3Session({ Etcd3, ...source }, endpoint, {
    opened: () => void story.push("opened"),
    lost: () => void story.push("lost"),
  });
  /** The client, with its connection. */
  const client = async () => await session.client() as unknown as FakeClient;
  return { session, clients, story, client };
}

describe("a session of the etcd3 driver", () => {
  it("makes its client when it is first used", async () => {
    const { clients, client } = setUp();
    assert.equal(clients.length, 0);
    const first = await client();
    assert.equal(await client(), first);
    assert.equal(clients.length, 1);
  });

  it("speaks TLS where the endpoint or the credentials say so, and gives credentials to nobody else", async () => {
    const credentials = { rootCertificate: "ca" };
    const made = async (source: Partial<Etcd3Source>, secure?: boolean) => {
      const { client } = setUp(source, secure === undefined ? { address: "e1:1" } : { address: "e1:1", secure });
      const { options } = await client();
      return [options.hosts, options.credentials];
    };
    assert.deepEqual(await made({}), ["http://e1:1", undefined]);
    assert.deepEqual(await made({}, true), ["https://e1:1", undefined]);
    assert.deepEqual(await made({ credentials }), ["https://e1:1", credentials]);
    assert.deepEqual(await made({ credentials }, true), ["https://e1:1", credentials]);
    assert.deepEqual(await made({ credentials }, false), ["http://e1:1", undefined]);
  });

  it("has a connection of its own, which retries nothing, pings as etcd allows and takes long lists", async () => {
    const grpcOptions = { "grpc.keepalive_time_ms": 1, "grpc.primary_user_agent": "mine" };
    const own = async () => {
      const { options: { grpcOptions: channel, credentials: _, ...rest } } = await setUp({ grpcOptions }).client();
      const { "connect-lb.session": number, ...others } = channel;
      assert.deepEqual(others, {
        "grpc.primary_user_agent": "mine",
        "grpc.keepalive_time_ms": 10_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.keepalive_permit_without_calls": 0,
        "grpc.max_receive_message_length": -1,
        "grpc.enable_retries": 0,
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 1_000,
        "grpc.service_config_disable_resolution": 1,
      });
      for (const policy of [rest.faultHandling.global, rest.faultHandling.host("e1:1")]) {
        let attempts = 0;
        assert.equal(await policy.execute(() => ++attempts), 1);
        const failing = () => Promise.reject(new Error(`attempt ${++attempts}`));
        await assert.rejects(policy.execute(failing), /attempt 2/);
      }
      return number;
    };
    assert.notEqual(await own(), await own());
  });

  it("says when its connection opens and when it is lost, again and again, until it is shut down", async () => {
    const { story, client } = setUp();
    const { host: { channel } } = await client();
    assert.deepEqual([channel.connects, channel.watches], [1, 1]);
    channel.become(CONNECTING);
    channel.become(READY);
    assert.deepEqual(story, ["opened"]);
    await client();
    assert.deepEqual([channel.connects, channel.watches], [1, 1], "it is watched once");
    channel.become(IDLE);
    assert.deepEqual(story, ["opened", "lost"]);
    channel.become(READY);
    channel.become(SHUTDOWN);
    assert.deepEqual([story, channel.watches], [["opened", "lost", "opened", "lost"], 0]);
  });

  it("watches the connection that takes another's place, and says of an open one that it is", async () => {
    const { story, client } = setUp();
    const { host } = await client();
    host.channel = new FakeChannel();
    host.channel.state = READY;
    await client();
    assert.deepEqual([host.channel.watches, story], [1, ["opened"]]);
  });

  it("works without the package's private parts", async () => {
    const changes: ((client: FakeClient) => void)[] = [
      (client) => void Object.assign(client, { pool: undefined }),
      (client) => void Object.assign(client, { pool: {} }),
      (client) => void client.pool!.hosts.pop(),
      (client) => void Object.assign(client.host, { getServiceClient: undefined }),
    ];
    for (const change of changes) {
      const { Etcd3, clients } = fakeEtcd3(change);
      const { session, story } = setUp({ Etcd3 });
      await session.client();
      await session.retire();
      assert.deepEqual([clients[0]?.closed, story], [1, []]);
    }
  });

  it("keeps its connection when a call is cancelled, and closes it when it is closed itself", async () => {
    const { session, client } = setUp();
    const made = await client();
    const call = new Etcd3Call(session, { endpoint: { address: "e1:1" }, signal: new AbortController().signal });
    const { cancels } = made.begin("range", call.options);
    made.host.resetAllServices();
    assert.equal(made.host.resets, 0);
    await session.close();
    assert.deepEqual([cancels, made.closed, made.host.resets], [[1], 1, 1]);
    await assert.rejects(session.client(), /the session with etcd was abandoned/);
  });

  it("that was never used has nothing to close", async () => {
    const { session, clients } = setUp();
    await session.retire();
    assert.ok(session.close() instanceof Promise);
    assert.deepEqual(clients, []);
    await assert.rejects(session.client(), /abandoned/);
  });

  it("that is given up takes no calls, and closes when the last one has ended", async () => {
    const { session, story, client } = setUp();
    const made = await client();
    made.host.channel.become(READY);
    const begin = () => new Etcd3Call(session, { endpoint: { address: "e1:1" }, signal: new AbortController().signal });
    const calls = [begin(), begin()];
    const begun = calls.map(({ options }) => made.begin("range", options));
    let retired = false;
    const retiring = session.retire().then(() => (retired = true));
    assert.deepEqual(story, ["opened", "lost"]);
    await assert.rejects(session.client(), /abandoned/);
    made.host.channel.become(IDLE);
    assert.deepEqual(story, ["opened", "lost"], "it is lost once");
    begun[0]!.answer({});
    calls[0]!.end();
    await settled();
    assert.deepEqual([retired, made.closed], [false, 0]);
    begun[1]!.answer({});
    calls[1]!.end();
    await retiring;
    assert.deepEqual([made.closed, begun.flatMap(({ cancels }) => cancels)], [1, []]);
  });

  it("that is given up while it has no connection loses none, and opens none", async () => {
    const { session, story, client } = setUp();
    const { host: { channel } } = await client();
    await session.retire();
    assert.deepEqual([story, channel.connects], [[], 1]);
  });
});

describe("a call through the etcd3 package", () => {
  async function begin(signal: AbortSignal) {
    const { session, client } = setUp();
    const made = await client();
    const call = new Etcd3Call(session, { endpoint: { address: "e1:1" }, signal });
    return { call, made, session };
  }

  it("is cancelled once, with what has to be done before", async () => {
    const caller = new AbortController();
    const { call, made, session } = await begin(caller.signal);
    const { cancels } = made.begin("range", call.options);
    const before: number[] = [];
    call.onCancel = () => void before.push(cancels.length);
    caller.abort();
    call.end();
    await session.close();
    assert.deepEqual([before, cancels], [[0], [1]]);
  });

  it("that is cancelled before it begins ends as it begins", async () => {
    const aborted = await begin(AbortSignal.abort());
    assert.deepEqual(aborted.made.begin("range", aborted.call.options).cancels, [1]);
  });

  it("is not repeated by the package", async () => {
    const { call, made } = await begin(new AbortController().signal);
    const first = made.begin("range", call.options);
    first.status(16, "etcdserver: invalid auth token");
    assert.deepEqual(made.begin("range", call.options).cancels, [1]);
    await settled();
    assert.throws(() => call.throwIfFailed(), /^StatusError: etcdserver: invalid auth token$/);
  });

  it("lets its caller and its session go once it has ended, and is cancelled then if the package goes on", async () => {
    const caller = new AbortController();
    const listeners = countListeners(caller.signal);
    const { call, made, session } = await begin(caller.signal);
    assert.equal(listeners(), 1);
    const begun = made.begin("range", call.options);
    call.throwIfFailed();
    begun.status(0);
    call.throwIfFailed();
    call.end();
    assert.equal(listeners(), 0);
    caller.abort();
    await session.close();
    assert.deepEqual(begun.cancels, []);
    const other = await begin(new AbortController().signal);
    const goingOn = other.made.begin("range", other.call.options);
    other.call.end();
    assert.deepEqual(goingOn.cancels, [1]);
  });

  it("passes its end on to the package", async () => {
    const { call } = await begin(new AbortController().signal);
    const seen: unknown[] = [];
    let end: { onReceiveStatus(status: object): void } | undefined;
    const raw = { start: (_: unknown, listener: typeof end) => void (end = listener), cancelWithStatus() {} };
    const intercepted = call.options.interceptors[0]!({}, () => raw as unknown as Call);
    const own = { onReceiveStatus: (status: object) => void seen.push(status), onReceiveMessage() {} };
    intercepted.start({ set() {} }, own);
    assert.equal((end as unknown as typeof own).onReceiveMessage, own.onReceiveMessage);
    const status = { code: 0, details: "" };
    end!.onReceiveStatus(status);
    assert.deepEqual(seen, [status]);
  });
});
