// An etcd of a few lines behind the driver's interface, with faults on demand: it answers within microtasks, so that a
// test turns all time by a manual clock.
import type {
  AttemptContext,
  EtcdDriver,
  EtcdStatus,
  FailureKind,
  KeyValue,
  LeaseTimeToLive,
  LeaseTimeToLiveRequest,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
  TxnOperation,
  TxnRequest,
  TxnResponse,
  WatchEvent,
  WatchRequest,
  WatchStream,
} from "../../src/etcd/driver/driver.ts";
import { kindOfText } from "../../src/etcd/driver/failure.ts";
import { FakeWatchStream } from "./fake-watch-stream.ts";

export type Method =
  | "range"
  | "txn"
  | "leaseGrant"
  | "leaseKeepAlive"
  | "leaseRevoke"
  | "leaseTimeToLive"
  | "status"
  | "watch"
  | "authenticate";

export interface Call {
  readonly method: Method;
  readonly endpoint: string;
  readonly token: string | undefined;
  /** The lease's id, or the revision that a watch starts from. */
  readonly id: bigint | undefined;
}

const text = new TextDecoder();
const bytes = new TextEncoder();

export class FakeEtcd implements EtcdDriver {
  readonly capabilities: { progress: boolean; maxStreamMs?: number; watchesPerStream?: number } = { progress: true };
  readonly calls: Call[] = [];
  readonly resets: string[] = [];
  readonly streams: FakeWatchStream[] = [];
  readonly leases: Map<bigint, bigint> = new Map();
  readonly keys: Map<string, KeyValue> = new Map();
  history: WatchEvent[] = [];
  revision = 1n;
  compacted = 0n;
  clusterId = 7n;
  raftTerm = 2n;
  closed = 0;
  leastTtl = 2n;
  /** Whether watches get answers to progress requests. */
  answersProgress: boolean = true;
  /** Whether also while a watch begins at a revision that is still to come, as before 2025. */
  answersEarly: boolean = true;
  /** Whether it takes the ids that watches ask for; else it counts them. */
  takesIds: boolean = true;
  /** The header under which watches are created, in place of its own. */
  createdUnder: ResponseHeader | undefined;
  /** The prefix whose keys nobody may watch. */
  denied: string | undefined;
  /** Whether watches are sent what happens. */
  delivers: boolean = true;
  password: string | undefined;
  token = "token-1";
  /** What a call meets instead of an answer: an error, or silence. */
  fault: (call: Call) => Error | "hang" | undefined = () => undefined;
  /** The same, after the call took effect. */
  lateFault: (call: Call) => Error | "hang" | undefined = () => undefined;
  /** What a call waits for before it is answered. */
  gate: (call: Call, signal: AbortSignal) => Promise<void> | undefined = () => undefined;
  /** Whether keepalives need a good token, as from 3.5.35 on. */
  checksKeepAlive: boolean = false;
  /** An endpoint that was restarted, and so knows none of these tokens. */
  readonly forgotten: Map<string, string> = new Map();
  unsent: (error: unknown) => boolean = () => false;
  #generations = new Map<string, number>();
  #onLost: ((endpoint: { address: string }) => void) | undefined;

  get header(): ResponseHeader {
    return { clusterId: this.clusterId, revision: this.revision, raftTerm: this.raftTerm };
  }

  /** The newest stream of watches. */
  get stream(): FakeWatchStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error("there was no watch yet");
    return stream;
  }

  count(method: Method): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  put(key: string, value: string | Uint8Array, lease = 0n): void {
    const raw = typeof value === "string" ? bytes.encode(value) : value;
    const revision = ++this.revision;
    const createRevision = this.keys.get(key)?.createRevision ?? revision;
    const kv = { key: bytes.encode(key), value: raw, createRevision, modRevision: revision, lease };
    this.keys.set(key, kv);
    this.#event({ type: "put", kv });
  }

  remove(key: string): void {
    if (!this.keys.delete(key)) return;
    const none = { value: new Uint8Array(), createRevision: 0n, lease: 0n };
    this.#event({ type: "delete", kv: { key: bytes.encode(key), modRevision: ++this.revision, ...none } });
  }

  /** The server ends a lease, and the keys with it. */
  expire(id: bigint): void {
    this.leases.delete(id);
    for (const [key, kv] of this.keys) if (kv.lease === id) this.remove(key);
  }

  compact(): void {
    this.compacted = this.revision;
    this.history = [];
  }

  range(request: RangeRequest, call: AttemptContext): Promise<RangeResponse> {
    return this.#answer("range", call, undefined, () => {
      const kvs = this.#select(request), limit = Number(request.limit ?? kvs.length);
      return { header: this.header, kvs: kvs.slice(0, limit), more: kvs.length > limit };
    });
  }

  txn(request: TxnRequest, call: AttemptContext): Promise<TxnResponse> {
    return this.#answer("txn", call, undefined, () => {
      const succeeded = request.compare.every(({ target, key, value }) => {
        const kv = this.keys.get(text.decode(key));
        return target === "version" ? (kv === undefined) === (value === 0n) : kv?.lease === value;
      });
      const operations = succeeded ? request.success : request.failure;
      const lost = operations.some((op) => "put" in op && op.put.lease !== 0n && !this.leases.has(op.put.lease));
      if (lost) throw new Error("etcdserver: requested lease not found");
      const kvs = operations.flatMap((op) => this.#operate(op));
      return { header: this.header, succeeded, kvs };
    });
  }

  leaseGrant({ id, ttlSeconds }: { id: bigint; ttlSeconds: bigint }, call: AttemptContext): Promise<bigint> {
    return this.#answer("leaseGrant", call, id, () => {
      if (this.leases.has(id)) throw new Error("etcdserver: lease already exists");
      const ttl = ttlSeconds < this.leastTtl ? this.leastTtl : ttlSeconds;
      this.leases.set(id, ttl);
      return ttl;
    });
  }

  leaseKeepAlive(id: bigint, call: AttemptContext): Promise<bigint> {
    return this.#answer("leaseKeepAlive", call, id, () => this.leases.get(id) ?? 0n);
  }

  leaseRevoke(id: bigint, call: AttemptContext): Promise<void> {
    return this.#answer("leaseRevoke", call, id, () => {
      if (!this.leases.has(id)) throw new Error("etcdserver: requested lease not found");
      this.expire(id);
    });
  }

  leaseTimeToLive(
    { id, keys = false }: LeaseTimeToLiveRequest,
    call: AttemptContext,
  ): Promise<LeaseTimeToLive | undefined> {
    return this.#answer("leaseTimeToLive", call, id, () => {
      const ttl = this.leases.get(id);
      if (ttl === undefined) return undefined;
      const attached = [...this.keys.values()].filter(({ lease }) => keys && lease === id);
      return { ttlSeconds: ttl, grantedSeconds: ttl, keys: attached.map(({ key }) => key) };
    });
  }

  status(call: AttemptContext): Promise<EtcdStatus> {
    return this.#answer("status", call, undefined, () => {
      const { header, raftTerm } = this;
      return { header, version: "3.4.0", memberId: 1n, leaderId: 1n, dbSizeBytes: 0n, raftIndex: raftTerm };
    });
  }

  authenticate({ password }: { password: string }, call: AttemptContext): Promise<string> {
    return this.#answer("authenticate", call, undefined, () => {
      if (this.password === undefined) throw new Error("etcdserver: authentication is not enabled");
      if (password !== this.password) throw new Error("etcdserver: authentication failed, invalid user ID or password");
      return this.token;
    });
  }

  watch(call: AttemptContext): WatchStream {
    const stream = new FakeWatchStream(call.endpoint.address, call.signal);
    this.streams.push(stream);
    return {
      responses: stream.read(),
      create: (request) => {
        stream.requests.push(request);
        const fault = this.#called("watch", call, request.startRevision);
        if (fault instanceof Error) stream.fail(fault);
        else if (fault === undefined) this.#create(stream, request, call);
      },
      cancel: (watchId) => {
        stream.canceled.push(watchId);
        if (stream.watches.delete(watchId)) stream.send({ header: this.header, watchId, canceled: true });
      },
      requestProgress: () => {
        stream.asked++;
        const early = [...stream.watches.values()].some(({ startRevision }) => startRevision > this.revision);
        if (!this.answersProgress || (early && !this.answersEarly)) return;
        stream.send({ header: this.header, watchId: -1n });
      },
    };
  }

  classify(error: unknown): FailureKind {
    return kindOfText((error as Error).message);
  }

  generation({ address }: { address: string }): number {
    return this.#generations.get(address) ?? 1;
  }

  reset({ address }: { address: string }, generation: number): void {
    if (generation !== this.generation({ address })) return;
    this.resets.push(address);
    this.#generations.set(address, generation + 1);
  }

  onLost(listener: (endpoint: { address: string }) => void): void {
    this.#onLost = listener;
  }

  /** The connection to an endpoint is gone. */
  lose(address: string): void {
    this.#onLost?.({ address });
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  #create(stream: FakeWatchStream, request: WatchRequest, call: AttemptContext): void {
    const { startRevision } = request;
    const { header } = this;
    if (!this.#knows(call)) {
      const cancelReason = "etcdserver: invalid auth token";
      return stream.send({ header, watchId: -1n, created: true, canceled: true, cancelReason });
    }
    if (this.denied !== undefined && text.decode(request.key).startsWith(this.denied)) {
      const cancelReason = "etcdserver: permission denied";
      return stream.send({ header, watchId: -1n, created: true, canceled: true, cancelReason });
    }
    const watchId = this.takesIds ? request.watchId : BigInt(stream.requests.length - 1);
    stream.watches.set(watchId, request);
    stream.send({ header: this.createdUnder ?? header, watchId, created: true });
    if (startRevision <= this.compacted) {
      return stream.send({ header, watchId, canceled: true, compactRevision: this.compacted });
    }
    const events = this.history.filter(({ kv }) => kv.modRevision >= startRevision && this.#within(kv, request));
    if (events.length > 0 && this.delivers) stream.send({ header, watchId, events });
  }

  #knows({ token, endpoint: { address } }: AttemptContext): boolean {
    if (this.password === undefined) return true;
    return token === this.token && this.forgotten.get(address) !== token;
  }

  #within({ key }: KeyValue, request: WatchRequest): boolean {
    const name = text.decode(key);
    return name >= text.decode(request.key) && name < text.decode(request.rangeEnd);
  }

  #event(event: WatchEvent): void {
    this.history.push(event);
    if (!this.delivers) return;
    for (const stream of this.streams) {
      if (stream.signal.aborted) continue;
      for (const [watchId, request] of stream.watches) {
        if (this.#within(event.kv, request)) stream.send({ header: this.header, watchId, events: [event] });
      }
    }
  }

  #select({ key, rangeEnd }: RangeRequest): KeyValue[] {
    const from = text.decode(key), to = rangeEnd && text.decode(rangeEnd);
    const within = (name: string) => to === undefined ? name === from : name >= from && (name < to || to === "\0");
    return [...this.keys].filter(([name]) => within(name))
      .sort(([a], [b]) => a < b ? -1 : 1).map(([, kv]) => kv);
  }

  #operate(op: TxnOperation): KeyValue[] {
    if ("range" in op) return this.#select(op.range);
    this.put(text.decode(op.put.key), op.put.value, op.put.lease);
    return [];
  }

  #called(method: Method, { endpoint, token }: AttemptContext, id: bigint | undefined): Error | "hang" | undefined {
    const call = { method, endpoint: endpoint.address, token, id };
    this.calls.push(call);
    return this.fault(call);
  }

  async #answer<T>(method: Method, call: AttemptContext, id: bigint | undefined, effect: () => T): Promise<T> {
    const hang = () =>
      new Promise<never>((_, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
    const fault = this.#called(method, call, id);
    if (fault === "hang") return await hang();
    if (fault !== undefined) throw fault;
    const gate = this.gate(this.calls.at(-1) as Call, call.signal);
    if (gate !== undefined) await Promise.race([gate, hang()]);
    const checked = method !== "authenticate" && (method !== "leaseKeepAlive" || this.checksKeepAlive);
    if (checked && !this.#knows(call)) throw new Error("etcdserver: invalid auth token");
    const answer = effect();
    const late = this.lateFault(this.calls.at(-1) as Call);
    if (late === "hang") return await hang();
    if (late !== undefined) throw late;
    return answer;
  }
}
