// What the client adds to a driver's calls: an endpoint, a deadline, a token; on a scripted etcd and a clock that the test
// turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient, type EtcdClientOptions } from "../../src/etcd/client/client.ts";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { AuthenticationError, EtcdError } from "../../src/etcd/driver/failure.ts";
import { countListeners } from "../support/count-listeners.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const never = new AbortController().signal;
const user = { name: "u", password: "secret" };
const key = new TextEncoder().encode("k");
const [e1, e2, e3] = [{ address: "e1:1" }, { address: "e2:1" }, { address: "e3:1" }];

function setUp({ etcd = new FakeEtcd(), clock = new ManualClock(), driver = etcd, ...options }:
  & { etcd?: FakeEtcd; clock?: ManualClock }
  & Partial<EtcdClientOptions> = {}) {
  const client = new EtcdClient({ driver, endpoints: [e1, e2, e3], clock, random: () => 0, ...options });
  return { etcd, clock, client, range: (context: AttemptContext) => etcd.range({ key }, context) };
}

/** An attempt that the test ends, and what it was given. */
function attempt() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const contexts: AttemptContext[] = [];
  const make = (context: AttemptContext) => {
    contexts.push(context);
    return promise;
  };
  return { make, contexts, answer: () => resolve("answer"), fail: reject };
}

describe("an attempt on etcd", () => {
  it("takes 3 s at most, then gives up its session, and is ended", async () => {
    const { client, clock, etcd } = setUp();
    const { make, contexts } = attempt();
    const failures: { readonly error: EtcdError; readonly ended: boolean }[] = [];
    const failing = client.unary(client.cursor(), never, make)
      .catch((error: EtcdError) => void failures.push({ error, ended: contexts[0]!.signal.aborted }));
    await clock.advance(2_999);
    assert.equal(failures.length, 0);
    await clock.advance(1);
    await failing;
    const { error, ended } = failures[0]!;
    assert.deepEqual([error.kind, error.message], ["transient", "etcd at e1:1: no answer within 3000 ms"]);
    assert.deepEqual([ended, etcd.resets, clock.pending], [true, ["e1:1"], []]);
  });

  it("leaves a session that it has seen opened to nobody once it is silent", async () => {
    const { client, clock, etcd, range } = setUp();
    await client.unary(client.cursor(), never, range);
    const [impatient, patient] = [100, 200].map((timeoutMs) =>
      assert.rejects(client.unary(client.cursor(), never, attempt().make, { timeoutMs }), /no answer/)
    );
    await clock.advance(100);
    await impatient;
    assert.deepEqual(etcd.resets, ["e1:1"]);
    await clock.advance(100);
    await patient;
  });

  it("that its caller left keeps nobody from giving up a session that never opens", async () => {
    const { client, clock, etcd } = setUp();
    const leaving = new AbortController();
    const left = assert.rejects(client.unary(client.cursor(), leaving.signal, attempt().make), /left/);
    const late = assert.rejects(client.unary(client.cursor(), never, attempt().make), /no answer/);
    leaving.abort(new Error("left"));
    await left;
    await clock.advance(3_000);
    await late;
    assert.deepEqual(etcd.resets, ["e1:1"]);
  });

  it("fails with the caller's reason, and leaves no timer or listener behind", async () => {
    const { client, clock, etcd } = setUp();
    const caller = new AbortController(), reason = new Error("left");
    const listeners = countListeners(caller.signal);
    const { make, contexts } = attempt();
    const failing = client.unary(client.cursor(), caller.signal, make);
    await settled();
    assert.equal(listeners(), 1);
    caller.abort(reason);
    await assert.rejects(failing, (error) => error === reason);
    assert.equal(contexts[0]?.signal.reason, reason);
    assert.deepEqual([listeners(), clock.pending, etcd.resets], [0, [], []]);
    await assert.rejects(client.unary(client.cursor(), caller.signal, make), (error) => error === reason);
    assert.equal(contexts.length, 1, "it is not made for a caller who has gone");
  });

  it("may go on after its caller has moved on, and ends with its answer, with the caller or in time", async () => {
    const ended: Record<string, (all: ReturnType<typeof attempt>, caller: AbortController) => void> = {
      answer: ({ answer }) => answer(),
      failure: ({ fail }) => fail(new Error("late")),
      caller: (_, caller) => caller.abort(new Error("closed")),
      time: () => {},
    };
    for (const [how, end] of Object.entries(ended)) {
      const { client, clock } = setUp();
      const caller = new AbortController();
      const listeners = countListeners(caller.signal);
      const all = attempt();
      const late = assert.rejects(client.unary(client.cursor(), caller.signal, all.make, { lingerMs: 7_000 }));
      await clock.advance(3_000);
      await late;
      await clock.advance(6_999);
      const { signal } = all.contexts[0]!;
      assert.deepEqual([signal.aborted, clock.pending, listeners()], [false, [1], 1], how);
      end(all, caller);
      await settled();
      if (how === "caller") assert.equal(signal.reason, caller.signal.reason);
      await clock.advance(how === "time" ? 1 : 0);
      assert.equal(signal.aborted, how === "caller" || how === "time", how);
      // A call ends when its signal aborts.
      all.fail(new Error("canceled"));
      await settled();
      assert.deepEqual([clock.pending, listeners()], [[], 0], how);
    }
  });

  it("goes on for as short a time as it is asked to", async () => {
    const { client, clock } = setUp();
    const { make, contexts } = attempt();
    const late = assert.rejects(client.unary(client.cursor(), never, make, { timeoutMs: 10, lingerMs: 1 }));
    await clock.advance(10);
    await late;
    assert.equal(contexts[0]?.signal.aborted, false);
    await clock.advance(1);
    assert.equal(contexts[0]?.signal.aborted, true);
  });
});

describe("the endpoints of etcd", () => {
  it("are tried one after another, beginning at random, then with the one that answered last", async () => {
    const { client, etcd, range } = setUp({ random: () => 0.5 });
    etcd.fault = ({ endpoint }) => endpoint === "e2:1" ? new Error("down") : undefined;
    await client.anyEndpoint(never, range);
    await client.anyEndpoint(never, range);
    assert.deepEqual(etcd.calls.map(({ endpoint }) => endpoint), ["e2:1", "e3:1", "e3:1"]);
    etcd.fault = () => new Error("down");
    await assert.rejects(client.anyEndpoint(never, range), /^EtcdError: etcd at e2:1: down$/);
    assert.deepEqual(etcd.calls.slice(3).map(({ endpoint }) => endpoint), ["e3:1", "e1:1", "e2:1"]);
  });

  it("are each watched for the loss of their connections", () => {
    const { client, etcd } = setUp();
    let losses = 0;
    const cursor = client.cursor();
    const unsubscribe = client.onLost(cursor, () => losses++);
    etcd.lose("e2:1");
    assert.equal(losses, 0);
    etcd.lose("e1:1");
    assert.equal(losses, 1);
    cursor.next();
    etcd.lose("e1:1");
    assert.equal(losses, 1);
    etcd.lose("e2:1");
    assert.equal(losses, 2);
    unsubscribe();
    etcd.lose("e2:1");
    assert.equal(losses, 2);
  });
});

describe("an attempt at an endpoint in backoff", () => {
  /** A client whose endpoints are each in backoff until a time. */
  function inBackoff(untilMs: readonly number[]) {
    const clock = new ManualClock(), etcd = new FakeEtcd();
    const asked: (number | undefined)[] = [];
    const backoffMs = ({ address }: { address: string }, neededByMs?: number) => {
      asked.push(neededByMs);
      return Math.max(0, untilMs[Number(address[1]) - 1]! - clock.now());
    };
    return { ...setUp({ etcd, clock, driver: Object.assign(etcd, { backoffMs }) }), asked };
  }

  it("is made at once at one that is not", async () => {
    const { client, clock, etcd, range } = inBackoff([500, 200, 0]);
    await client.unary(client.cursor(), never, range);
    assert.deepEqual([etcd.calls.map(({ endpoint }) => endpoint), clock.pending], [["e3:1"], []]);
  });

  it("waits where all are, for the first that is over, before its own time begins", async () => {
    for (const waitMs of [1, 500]) {
      const { client, clock } = inBackoff([900, waitMs, 900]);
      const { make, contexts } = attempt();
      const failing = assert.rejects(client.unary(client.cursor(), never, make), /e2:1: no answer within 3000 ms/);
      await clock.advance(waitMs - 1);
      assert.deepEqual([contexts.length, clock.pending, clock.held], [0, [1], 0]);
      await clock.advance(1);
      assert.deepEqual([contexts.length, clock.pending], [1, [3_000]]);
      await clock.advance(3_000);
      await failing;
    }
  });

  it("waits no longer than its caller, by when its answer is needed, and holds the process if it is to", async () => {
    const { client, clock, asked, range } = inBackoff([500, 500, 500]);
    const caller = new AbortController(), reason = new Error("left");
    const options = { hold: true, neededByMs: 12_345 };
    const failing = assert.rejects(client.unary(client.cursor(), caller.signal, range, options), (e) => e === reason);
    await settled();
    assert.deepEqual([asked.at(-1), clock.held], [12_345, 1]);
    caller.abort(reason);
    await failing;
    assert.deepEqual(clock.pending, []);
  });
});

describe("a failed attempt", () => {
  it("is classified once, with the endpoint, the text and the cause", () => {
    const { client } = setUp({ user });
    const thrown = new Error("etcdserver: requested lease not found");
    const failure = client.failure(e2, thrown);
    assert.deepEqual([failure.kind, failure.message], ["lease-gone", `etcd at e2:1: ${thrown.message}`]);
    assert.equal(failure.cause, thrown);
    assert.equal(client.failure(e1, failure), failure);
    assert.equal(client.failure(e1, new EtcdError("invalid auth token", "transient")).kind, "transient");
  });

  it("for want of a token is for a person to fix where there is no password", () => {
    const { client } = setUp();
    assert.equal(client.failure(e1, new Error("etcdserver: user name is empty")).kind, "refused");
    const error = new EtcdError("no", "token");
    assert.equal(client.failure(e1, error).kind, "refused");
    assert.equal(client.refusesToken(error, e1, undefined), false);
  });

  it("is repeated once, with a new token, where its token was refused, and not otherwise", async () => {
    const { client, etcd, range } = setUp({ user });
    etcd.password = user.password;
    await client.unary(client.cursor(), never, range);
    etcd.token = "token-2";
    await client.unary(client.cursor(), never, range);
    assert.deepEqual(etcd.calls.map(({ method, token }) => `${method} ${token}`), [
      "authenticate undefined",
      "range token-1",
      "range token-1",
      "authenticate undefined",
      "range token-2",
    ]);
    etcd.fault = () => new Error("down");
    await assert.rejects(client.unary(client.cursor(), never, range), /down/);
    assert.equal(etcd.calls.length, 6);
    for (const other of [new EtcdError("down", "transient"), new Error("down")]) {
      assert.equal(client.refusesToken(other, e1, "token-2"), false);
    }
  });
});

describe("a client with a password", () => {
  it("asks one endpoint, unless the driver knows that nothing was sent", async () => {
    for (const unsent of [undefined, () => false, () => true]) {
      const etcd = new FakeEtcd();
      const { client, range } = setUp({ etcd, user });
      if (unsent === undefined) Object.assign(etcd, { unsent });
      else etcd.unsent = unsent;
      etcd.fault = () => new Error("down");
      await assert.rejects(client.unary(client.cursor(), never, range), AuthenticationError);
      assert.equal(etcd.count("authenticate"), unsent?.() ? 3 : 1);
    }
  });

  it("says so where the driver can't send it", async () => {
    const etcd = new FakeEtcd();
    Object.assign(etcd, { authenticate: undefined });
    const { client, range } = setUp({ etcd, user });
    await assert.rejects(client.unary(client.cursor(), never, range), /this etcd driver does not support passwords$/);
  });

  it("waits for those of the same user in the same process, unless it has to wait for nothing", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const [first, second, alone] = [{}, {}, { alone: true }].map((options) => setUp({ user, ...options }));
    for (const { etcd } of [first!, second!, alone!]) etcd.password = user.password;
    first!.etcd.gate = () => promise;
    const reads = [first!, second!, alone!].map(({ client, range }) => client.unary(client.cursor(), never, range));
    await reads[2];
    await settled();
    assert.deepEqual([first, second, alone].map((one) => one!.etcd.count("authenticate")), [1, 0, 1]);
    resolve();
    await Promise.all(reads);
    assert.equal(second!.etcd.count("authenticate"), 1);
  });

  it("holds the process while it waits for a token only if it is asked to", async () => {
    for (const hold of [false, true]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { client, clock, etcd, range } = setUp({ user });
      etcd.password = user.password;
      etcd.gate = ({ method }) => method === "authenticate" ? promise : undefined;
      const reading = client.unary(client.cursor(), never, range, { hold });
      await settled();
      assert.equal(clock.held, hold ? 1 : 0);
      resolve();
      await reading;
      assert.deepEqual(clock.pending, []);
    }
  });

  it("fails what waits for a token when it is closed, and closes its driver", async () => {
    const { client, etcd, range } = setUp({ user });
    etcd.fault = () => "hang";
    const reading = assert.rejects(client.unary(client.cursor(), never, range), /the registry was closed/);
    await settled();
    await client.close();
    await reading;
    assert.equal(etcd.closed, 1);
  });
});

describe("an authentication at an endpoint in backoff", () => {
  it("keeps no other client of the user waiting", async () => {
    const clock = new ManualClock(), [away, etcd] = [new FakeEtcd(), new FakeEtcd()];
    for (const each of [away, etcd]) each.password = user.password;
    const backoffMs = () => Math.max(0, 500 - clock.now());
    const first = setUp({ etcd: away, clock, driver: Object.assign(away, { backoffMs }), user });
    const second = setUp({ etcd, clock, user });
    const got: string[] = [];
    const waiting = [first, second].map(async ({ client }, index) => {
      got.push(`${index}: ${await client.token(client.cursor(), never)}`);
    });
    await settled();
    assert.deepEqual(got, ["1: token-1"]);
    await clock.advance(500);
    await Promise.all(waiting);
    assert.deepEqual(got, ["1: token-1", "0: token-1"]);
  });
});
