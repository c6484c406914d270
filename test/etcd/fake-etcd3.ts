// The etcd3 package as far as the driver uses it: the test answers its calls and moves its connections.
import type { Call, CallOptions, Etcd3Class, Listener, RawClientOptions } from "../../src/etcd/driver/etcd3/package.ts";

export const IDLE = 0, CONNECTING = 1, READY = 2, SHUTDOWN = 4;

/** A call, and its stream if it is one. */
export class FakeCall implements Call {
  readonly method: string;
  /** What was sent, and "end" once nothing more is. */
  readonly sent: unknown[] = [];
  readonly metadata: Map<string, string> = new Map();
  /** The codes with which it was cancelled. */
  readonly cancels: number[] = [];
  readonly result: PromiseWithResolvers<object> = Promise.withResolvers();
  #listener: Listener | undefined;
  #read: (object | Error | "end")[] = [];
  #wake: () => void = () => {};

  constructor(method: string) {
    this.method = method;
    // Streams have none.
    this.result.promise.catch(() => {});
  }

  start(_: unknown, listener: Listener): void {
    this.#listener = listener;
  }

  cancelWithStatus(code: number, details: string): void {
    this.cancels.push(code);
    this.sent.push("cancel");
    queueMicrotask(() => this.status(code, details));
  }

  /** The server's answer. */
  answer(message: object): void {
    this.result.resolve(message);
    this.status(0);
  }

  /** The call's end: the package makes its own error of a status other than OK. */
  status(code: number, details = ""): void {
    this.#listener?.onReceiveStatus?.({ code, details });
    if (code === 0) return;
    const error = new Error(`the package's error: ${details}`);
    this.result.reject(error);
    this.push(error);
  }

  /** A message of the server's, an error, or the end of its stream. */
  push(item: object | Error | "end"): void {
    this.#read.push(item);
    this.#wake();
  }

  write(request: object): void {
    this.sent.push(request);
  }

  end(): void {
    this.sent.push("end");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<object, void> {
    for (;;) {
      const item = this.#read.shift();
      if (item instanceof Error) throw item;
      if (item === "end") return;
      if (item !== undefined) yield item;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A connection of grpc-js. */
export class FakeChannel {
  state: number = IDLE;
  /** How often it was asked to connect. */
  connects = 0;
  readonly #watches: { readonly from: number; readonly deadline: number; readonly callback: () => void }[] = [];

  get watches(): number {
    return this.#watches.length;
  }

  getConnectivityState(connect: boolean): number {
    if (connect) this.connects++;
    return this.state;
  }

  watchConnectivityState(from: number, deadline: number, callback: () => void): void {
    if (deadline !== Infinity) throw new Error("this watch would end");
    this.#watches.push({ from, deadline, callback });
  }

  become(state: number): void {
    this.state = state;
    for (const { from, callback } of this.#watches.splice(0)) {
      if (from === state) throw new Error("it is told of no change");
      callback();
    }
  }
}

/** An endpoint of a client. */
class FakeHost {
  channel: FakeChannel = new FakeChannel();
  resets = 0;
  getServiceClient(_: string): { getChannel(): FakeChannel } {
    return { getChannel: () => this.channel };
  }
  resetAllServices(): void {
    this.resets++;
  }
}

type Unary = (request: object, options: CallOptions) => Promise<object>;
type Stream = (options: CallOptions) => Promise<FakeCall>;

/** A client of the package. */
export class FakeClient {
  readonly options: RawClientOptions;
  readonly calls: FakeCall[] = [];
  readonly host: FakeHost = new FakeHost();
  readonly pool: { hosts: FakeHost[] } | undefined = { hosts: [this.host] };
  closed = 0;
  /** Runs when a call begins. */
  onCall: (call: FakeCall) => void = () => {};

  readonly kv: { range: Unary; txn: Unary } = { range: this.#unary("range"), txn: this.#unary("txn") };
  readonly leaseClient: Record<"leaseGrant" | "leaseRevoke" | "leaseTimeToLive", Unary> & { leaseKeepAlive: Stream } = {
    leaseGrant: this.#unary("leaseGrant"),
    leaseRevoke: this.#unary("leaseRevoke"),
    leaseTimeToLive: this.#unary("leaseTimeToLive"),
    leaseKeepAlive: this.#stream("leaseKeepAlive"),
  };
  readonly watchClient: { watch: Stream } = { watch: this.#stream("watch") };
  readonly maintenance: { status(options: CallOptions): Promise<object> } = {
    status: (options) => this.begin("status", options).result.promise,
  };
  readonly auth: { authenticate: Unary } = { authenticate: this.#unary("authenticate") };

  constructor(options: RawClientOptions) {
    this.options = options;
  }

  close(): void {
    this.closed++;
    this.host.resetAllServices();
  }

  /** Begins a call, as the package does, which may repeat it with the same options. */
  begin(method: string, { interceptors: [intercept] }: CallOptions): FakeCall {
    const call = new FakeCall(method);
    this.calls.push(call);
    const metadata = { set: (key: string, value: string) => void call.metadata.set(key, value) };
    intercept!({}, () => call).start(metadata, {});
    this.onCall(call);
    return call;
  }

  #unary(method: string): Unary {
    return (request, options) => {
      const call = this.begin(method, options);
      call.sent.push(request);
      return call.result.promise;
    };
  }

  #stream(method: string): Stream {
    return (options) => Promise.resolve(this.begin(method, options));
  }
}

/** The package's class, and the clients that were made with it, each after a change. */
export function fakeEtcd3(
  change: (client: FakeClient) => void = () => {},
): { readonly Etcd3: Etcd3Class; readonly clients: FakeClient[] } {
  const clients: FakeClient[] = [];
  class Etcd3 extends FakeClient {
    constructor(options: RawClientOptions) {
      super(options);
      change(this);
      clients.push(this);
    }
  }
  return { Etcd3: Etcd3 as unknown as Etcd3Class, clients };
}
