import type { DescMessage, DescMethodUnary } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { EndReportingTransport, UnaryEndListener } from "../../../src/connection/end-reporting.ts";
import { connectionFailed } from "../../../src/connection/failure.ts";
import type { Connector, Link, LinkEvents } from "../../../src/connection/link.ts";
import { markAttempt } from "../../../src/connection/mark.ts";
import { lazyHeaders } from "../../../src/grpc/lazy-headers.ts";
import { isRawMethod } from "../../../src/raw-method.ts";
import type { Timer } from "../../../src/time/clock.ts";
import type { SimulatedClock } from "./clock.ts";
import type { ServedCall, ServerConnection, SimulatedServer } from "./server.ts";

/** How long it takes to notice that a server has become unreachable, in ms: keepalive's defaults. */
const KEEPALIVE_MS = 40_000;
/** How long a connection may take to open, in ms: `grpcConnector`'s default. */
const CONNECT_TIMEOUT_MS = 20_000;

/** The network of a simulation, and what is counted there. */
export interface Network {
  readonly clock: SimulatedClock;
  /** A round trip, in ms. */
  readonly rttMs: number;
  readonly servers: ReadonlyMap<string, SimulatedServer>;
  /** Draws how much work a call is, in ms of one core of speed 1. */
  work(): number;
  /** Called for each attempt that is sent, and for each health check. */
  sent(what: "attempt" | "probe"): void;
}

/** Connects a client to the servers of a simulation, with gRPC's semantics and without its bytes. */
export function simulatedConnector(network: Network): Connector {
  return ({ address }, events) => new SimulatedLink(network, network.servers.get(address)!, events);
}

class SimulatedLink implements Link, ServerConnection {
  readonly protocol = "grpc";
  readonly transport: EndReportingTransport;
  readonly background: Transport;
  readonly network: Network;
  readonly server: SimulatedServer;
  readonly calls: Set<LinkCall> = new Set();
  readonly #events: LinkEvents;
  #open = false;
  #unheard: Timer | undefined;

  constructor(network: Network, server: SimulatedServer, events: LinkEvents) {
    this.network = network;
    this.server = server;
    this.#events = events;
    this.transport = this.background = transportOf(this);
  }

  get open(): boolean {
    return this.#open;
  }

  connect(signal: AbortSignal): Promise<void> {
    const { clock, rttMs } = this.network, { server } = this;
    return new Promise((resolve, reject) => {
      if (server.reachability === "unreachable") {
        const timer = clock.timer(CONNECT_TIMEOUT_MS, () => reject(new Error("the connection timed out")));
        return signal.addEventListener("abort", () => timer.cancel());
      }
      clock.timer(rttMs, () => {
        if (signal.aborted) return;
        if (server.reachability !== "up") return reject(new Error("connection refused"));
        this.#open = true;
        server.connections.add(this);
        resolve();
      });
    });
  }

  interrupted(how: "down" | "unreachable"): void {
    if (how === "down") this.#lose(new Error("connection reset"));
    else this.#unheard = this.network.clock.timer(KEEPALIVE_MS, () => this.#unanswered());
  }

  drained(): void {
    this.#ended();
    for (const call of [...this.calls]) {
      if (call.isCheck) call.fail(new ConnectError("the connection drains", Code.Unavailable));
    }
    this.#events.draining();
  }

  #unanswered(): void {
    if (this.server.reachability === "unreachable") this.#lose(new Error("no answer to a PING"));
  }

  #lose(cause: Error): void {
    this.#ended();
    for (const call of [...this.calls]) call.fail(connectionFailed(this.server.address, cause, "maybe-processed"));
    this.#events.lost(cause);
  }

  #ended(): void {
    this.#open = false;
    this.#unheard?.cancel();
    this.server.connections.delete(this);
  }

  close(): Promise<void> {
    this.#ended();
    for (const call of [...this.calls]) call.fail(new ConnectError("the link was closed", Code.Canceled));
    return Promise.resolve();
  }
}

/** Unary calls only; a server that doesn't know a streaming method says so. */
function transportOf(link: SimulatedLink): EndReportingTransport {
  const unimplemented = () =>
    Promise.reject(markAttempt(new ConnectError("unknown method", Code.Unimplemented), "answered"));
  const transport: Omit<EndReportingTransport, "unary"> & Pick<Transport, "unary"> = {
    unary: (method, signal, timeoutMs) =>
      new Promise((resolve, reject) =>
        new LinkCall(link, method, resolve as LinkCall["resolve"], reject).start(signal, timeoutMs)
      ),
    unaryReporting: (method, signal, timeoutMs, _header, _input, _values, listener) =>
      new Promise((resolve) => {
        const { answered, failed } = reportingTo(listener as unknown as UnaryEndListener<UnaryResponse>, resolve);
        new LinkCall(link, method, answered, failed).start(signal, timeoutMs);
      }),
    stream: unimplemented,
  };
  return transport;
}

function reportingTo<Answer>(listener: UnaryEndListener<Answer>, resolve: (value: never) => void) {
  const settle = resolve as unknown as (value: Answer | Promise<Answer>) => void;
  return {
    answered: (answer: Answer) => {
      listener.answered(answer);
      settle(answer);
    },
    failed: (error: unknown) => settle(listener.failed(error)),
  };
}

const NO_HEADERS = new Headers();
const SERVING = create(Health.method.check.output, { status: HealthCheckResponse_ServingStatus.SERVING });
/** For a caller that knows the method by its path only. */
const SERVING_BYTES = create(BytesValueSchema, { value: toBinary(Health.method.check.output, SERVING) });

/** A call between a client and a server. */
class LinkCall {
  readonly #link: SimulatedLink;
  readonly #method: DescMethodUnary;
  readonly resolve: (answer: UnaryResponse) => void;
  readonly #reject: (error: unknown) => void;
  #served: ServedCall | undefined;
  #deadline: Timer | undefined;
  #signal: AbortSignal | undefined;
  #ended = false;
  readonly isCheck: boolean;

  constructor(
    link: SimulatedLink,
    method: DescMethodUnary<DescMessage, DescMessage>,
    resolve: (answer: UnaryResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#link = link;
    this.#method = method;
    this.isCheck = method.parent.typeName === Health.typeName;
    this.resolve = resolve;
    this.#reject = reject;
  }

  start(signal: AbortSignal | undefined, timeoutMs: number | undefined): void {
    const { network, open, calls } = this.#link, { clock, rttMs } = network;
    if (!open) return this.#reject(markAttempt(new ConnectError("not connected", Code.Unavailable), "not-sent"));
    network.sent(this.isCheck ? "probe" : "attempt");
    calls.add(this);
    if (timeoutMs !== undefined) this.#deadline = clock.timer(timeoutMs, () => this.#timedOut());
    if (signal !== undefined) {
      this.#signal = signal;
      signal.addEventListener("abort", this.#aborted);
    }
    const workMs = this.isCheck ? 0 : network.work();
    clock.model.timer(rttMs / 2, () => this.#arrive(workMs));
  }

  #arrive(workMs: number): void {
    const { server, network: { clock, rttMs } } = this.#link;
    if (this.#ended || server.reachability === "unreachable") return;
    const answer = (error: ConnectError | undefined, loadReport: string) =>
      void clock.timer(rttMs / 2, () => this.#answered(error, loadReport));
    this.#served = this.isCheck ? server.check(answer) : server.serve(this.#method, workMs, answer);
  }

  #answered(error: ConnectError | undefined, loadReport: string): void {
    if (this.#ended || this.#link.server.reachability === "unreachable") return;
    this.#end();
    const fields = ["endpoint-load-metrics-bin", loadReport];
    if (error !== undefined) {
      error.metadata.set(fields[0]!, fields[1]!);
      return this.#reject(markAttempt(error, "answered"));
    }
    const method = this.#method;
    this.resolve({
      stream: false,
      service: method.parent,
      method,
      header: NO_HEADERS,
      trailer: lazyHeaders({ fields }),
      message: isRawMethod(method) ? SERVING_BYTES : SERVING,
    });
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#end();
    this.#reject(error);
  }

  #timedOut(): void {
    this.#cancelled(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  readonly #aborted = (): void => this.#cancelled(ConnectError.from(this.#signal?.reason, Code.Canceled));

  /** The server hears of it half a round trip later. */
  #cancelled(error: ConnectError): void {
    if (this.#ended) return;
    const { clock, rttMs } = this.#link.network;
    clock.model.timer(rttMs / 2, () => this.#served?.cancel());
    this.fail(error);
  }

  #end(): void {
    this.#ended = true;
    this.#deadline?.cancel();
    this.#signal?.removeEventListener("abort", this.#aborted);
    this.#link.calls.delete(this);
  }
}
