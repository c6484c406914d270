import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, UnaryResponse } from "@connectrpc/connect";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import { printThrown } from "../listener.ts";
import { arrivedMs } from "../time/arrival.ts";
import { CallAttempt } from "./attempt.ts";
import type { CallEnvironment } from "./environment.ts";
import type { UsualCalls } from "./meter.ts";
import { ObservedCall } from "./observed-call.ts";
import { UnaryCall } from "./unary-call.ts";

/**
 * A unary call of a transport whose only observer is a meter. As long as nobody else asks how its first attempt ends,
 * it measures that itself; from its failure on, it is observed like any other call.
 */
export class MeteredCall<I extends DescMessage, O extends DescMessage> extends UnaryCall<I, O> {
  declare private startedMs: number | undefined;
  /** Of its first attempt; see `AttemptRecord`. */
  declare private sentBytes: number | undefined;
  declare private receivedBytes: number;
  /** Undefined if it is observed from its beginning. */
  declare private usual: UsualCalls | undefined;

  constructor(
    env: CallEnvironment,
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues: ContextValues | undefined,
  ) {
    super(env, method, signal, timeoutMs, header, input, contextValues);
    this.sentBytes = this.usual = undefined;
    this.receivedBytes = 0;
    this.startedMs = super.beganMs;
  }

  override get beganMs(): number {
    return this.startedMs ?? super.beganMs;
  }

  override start(): Promise<UnaryResponse<I, O>> {
    const usual = this.usualCalls();
    if (usual === undefined) return super.start();
    let picked: EndpointConnection | CallAttempt<UnaryResponse<I, O>> | undefined;
    try {
      this.checkThrottle();
      picked = this.pickNow();
    } catch (error) {
      throw this.neverBegun(error);
    }
    if (!(picked instanceof EndpointConnection) || this.asksHowItEnds(picked)) {
      this.observe();
      return this.beginWith(picked);
    }
    this.env.calls.started++;
    this.usual = usual;
    try {
      usual.began();
    } catch (error) {
      printThrown("began of a meter", error);
    }
    return this.sendOn(picked);
  }

  private usualCalls(): UsualCalls | undefined {
    try {
      return this.env.meter!.usual(this.method);
    } catch (error) {
      printThrown("usual of a meter", error);
      return undefined;
    }
  }

  messageSent(bytes: number): void {
    this.sentBytes = (this.sentBytes ?? 0) + bytes;
  }

  messageReceived(bytes: number): void {
    this.receivedBytes += bytes;
  }

  override answered(): void {
    super.answered();
    const { usual } = this;
    // Nobody watches it: metrics are not collected yet.
    if (usual === undefined) return;
    // An attempt may begin while a chunk is read that has its end: the end of its connection.
    const latencyMs = Math.max(0, arrivedMs(this.env.clock) - this.startedMs!);
    try {
      usual.succeeded(latencyMs, this.sentBytes, this.receivedBytes);
    } catch (error) {
      printThrown("succeeded of a meter", error);
    }
  }

  override failed(error: unknown): Promise<UnaryResponse<I, O>> {
    if (this.usual === undefined) return super.failed(error);
    const startedMs = this.startedMs!;
    this.observed = ObservedCall.resume(this, startedMs, this.usual.watch());
    const attempt = new CallAttempt<UnaryResponse<I, O>>(this, undefined, this.connection!, undefined);
    attempt.resume(startedMs, this.sentBytes, this.receivedBytes);
    return this.attemptFailed(attempt, error);
  }
}
