import type { DescMethod } from "@bufbuild/protobuf";
import type { Code, ContextValues } from "@connectrpc/connect";
import { printRejection, printThrown } from "../listener.ts";
import type { Clock } from "../time/clock.ts";
import type { CallEnvironment } from "./environment.ts";
import { codeOf } from "./failure.ts";
import type {
  Attempt,
  AttemptMessage,
  AttemptStart,
  CallEnd,
  CallObserver,
  CallStart,
  CallWatch,
  WaitReason,
} from "./observer.ts";

/** What an observed call tells its observers of itself. */
export interface ObservableCall {
  readonly env: CallEnvironment;
  readonly method: DescMethod;
  readonly timeoutMs: number | undefined;
  readonly header: Headers;
  readonly contextValues: ContextValues;
  /** When it began, for a call that does now. */
  readonly beganMs: number;
}

/**
 * A call as one of its observers sees it. One object for the call's whole life, what the observer gets at its beginning
 * and at its end, because there is one per call and observer; so its methods need no closures. For its fields and
 * private methods, see `BoundedCall`.
 */
export class ObservedCall implements CallStart, CallEnd {
  declare readonly startedMs: number;
  /** The same call for the next observer. */
  declare readonly next: ObservedCall | undefined;
  declare private readonly call: ObservableCall;
  declare private watch: CallWatch;
  /** Whether its observer, or one after it, hears of messages. */
  declare hearsMessages: boolean;
  declare private reason: WaitReason | undefined;
  declare private over: boolean;
  declare error: unknown;
  declare latencyMs: number;
  declare attempts: number;

  static {
    // What few calls have costs the others nothing on the prototype.
    Object.assign(this.prototype, { hearsMessages: false, reason: undefined, error: undefined });
  }

  private constructor(call: ObservableCall, startedMs: number, next: ObservedCall | undefined) {
    this.over = false;
    this.call = call;
    this.startedMs = startedMs;
    this.next = next;
    if (next !== undefined && next.hearsMessages) this.hearsMessages = true;
    this.latencyMs = this.attempts = 0;
  }

  /** Notifies observers that a call begins. Undefined if none of them watches it. */
  static start(call: ObservableCall, observers: readonly CallObserver[]): ObservedCall | undefined {
    const nowMs = call.beganMs;
    let first: ObservedCall | undefined;
    for (let i = observers.length - 1; i >= 0; i--) {
      const observed = new ObservedCall(call, nowMs, first);
      if (observed.begin(observers[i]!)) first = observed;
    }
    return first;
  }

  /** A call that began at `startedMs`, and whose first attempt is about to end. */
  static resume(call: ObservableCall, startedMs: number, watch: CallWatch): ObservedCall {
    const observed = new ObservedCall(call, startedMs, undefined);
    observed.watch = watch;
    return observed;
  }

  private begin(observer: CallObserver): boolean {
    try {
      const watch: unknown = observer.callStarted?.(this);
      if (typeof watch !== "object" || watch === null) return false;
      this.watch = watch;
      if (this.watch.messageSent !== undefined || this.watch.messageReceived !== undefined) this.hearsMessages = true;
      printRejection("callStarted of an observer", watch);
      return true;
    } catch (error) {
      printThrown("callStarted of an observer", error);
      return false;
    }
  }

  get target(): string {
    return this.call.env.balancer.target;
  }

  get clock(): Clock {
    return this.call.env.clock;
  }

  get method(): DescMethod {
    return this.call.method;
  }

  get timeoutMs(): number | undefined {
    return this.call.timeoutMs;
  }

  get header(): Headers {
    try {
      return this.call.header;
    } catch {
      // Its attempt fails because of them.
      return new Headers();
    }
  }

  get contextValues(): ContextValues {
    return this.call.contextValues;
  }

  get code(): Code | undefined {
    return this.error === undefined ? undefined : codeOf(this.error);
  }

  /** Nothing can be sent for it now. */
  waiting(why: WaitReason): void {
    if (this.reason !== why) {
      this.reason = why;
      this.tell("waiting", why);
    }
    this.next?.waiting(why);
  }

  attemptStarted(attempt: AttemptStart): void {
    if (this.reason !== undefined) this.reason = undefined;
    try {
      printRejected("attemptStarted", this.watch.attemptStarted?.(attempt));
    } catch (error) {
      printThrown("attemptStarted of an observer", error);
    }
    this.next?.attemptStarted(attempt);
  }

  attemptAnswering(attempt: AttemptStart): void {
    this.tell("attemptAnswering", attempt);
    this.next?.attemptAnswering(attempt);
  }

  /** To be called only if `hearsMessages`. */
  message(event: "messageSent" | "messageReceived", message: AttemptMessage): void {
    this.tell(event, message);
    this.next?.message(event, message);
  }

  attemptEnded(attempt: Attempt): void {
    try {
      printRejected("attemptEnded", this.watch.attemptEnded?.(attempt));
    } catch (error) {
      printThrown("attemptEnded of an observer", error);
    }
    this.next?.attemptEnded(attempt);
  }

  /** Whether it waits for what it needs before its next attempt. */
  get waits(): boolean {
    return this.reason !== undefined;
  }

  /** Only the first end counts: a failure passes through several hands on its way to the caller. */
  end(error: unknown, attempts: number, nowMs: number): void {
    if (!this.over) {
      this.over = true;
      if (error !== undefined) this.error = error;
      this.latencyMs = nowMs - this.startedMs;
      this.attempts = attempts;
      try {
        printRejected("ended", this.watch.ended?.(this));
      } catch (failure) {
        printThrown("ended of an observer", failure);
      }
    }
    this.next?.end(error, attempts, nowMs);
  }

  /** Errors that the observer throws are printed. What happens to every call is spelled out: that is faster. */
  private tell(event: keyof CallWatch, value: unknown): void {
    try {
      const watch = this.watch as Record<typeof event, ((value: unknown) => unknown) | undefined>;
      printRejected(event, watch[event]?.(value));
    } catch (error) {
      printThrown(`${event} of an observer`, error);
    }
  }
}

/** Observers should return nothing; one that returns a promise has its rejection printed. */
function printRejected(event: keyof CallWatch, result: unknown): void {
  if (result !== undefined) printRejection(`${event} of an observer`, result);
}
