import { asError, textOf } from "../error-text.ts";
import { emit } from "../listener.ts";
import type { RegistryEvent } from "../registry/event.ts";
import { checkAttributes, type CheckedRegistration } from "../registry/options.ts";
import { RegistrationLife } from "../registry/registration-life.ts";
import type { EndpointAttributes, Registration, RegistrationState } from "../registry/registry.ts";
import type { RegistrationSnapshot } from "../registry/snapshot.ts";
import { Waiters } from "../registry/waiters.ts";
import { shownText } from "../shown-text.ts";
import { sleep } from "../time/backoff.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { type ConsulAgent, ConsulError } from "./agent.ts";
import { definitionOf, idOf, type InstanceStyle, type Server } from "./instance.ts";
import { ConsulPace } from "./pace.ts";
import { deregister, pass, register } from "./requests.ts";

/** The maximum duration of `close`, in milliseconds. */
const CLOSE_MS = 2_000;
/** How long `renew` waits for a success, in milliseconds. */
const RENEW_MS = 10_000;

/** What registrations of a registry have in common. */
export interface ConsulRegistrationContext {
  readonly agent: ConsulAgent;
  readonly style: InstanceStyle;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: RegistryEvent) => void) | undefined;
}

/**
 * Keeps one server registered at the local agent: its check passes as long as a heartbeat arrives within the TTL, and one
 * is sent each third of that. An agent that doesn't know the check any more has been restarted: the server is registered
 * again.
 */
export class ConsulRegistration implements Registration {
  readonly #context: ConsulRegistrationContext;
  readonly #server: Server;
  /** What events call it. */
  readonly #entry: { readonly service: string; readonly address: string };
  readonly #life: RegistrationLife;
  readonly #pace: ConsulPace;
  readonly #onClosed: () => void;
  readonly #stop = new AbortController();
  readonly #renewals: Waiters;
  readonly #updates: Waiters;
  readonly #running: Promise<void>;
  #attributes: EndpointAttributes;
  /** Whether the agent is known to have the entry with the newest attributes. */
  #known = false;
  #renewedMs: number | undefined;
  #lastFailure: Error | undefined;
  #wake: AbortController | undefined;
  #suspicion: Timer | undefined;
  #closing: Promise<void> | undefined;

  /** Starts immediately. @throws RangeError or TypeError if Consul can't store an attribute */
  constructor(context: ConsulRegistrationContext, options: CheckedRegistration, onClosed: () => void) {
    const { service, address, ttlSeconds, onState, ...attributes } = options;
    this.#context = context;
    this.#server = { service, address, ttlSeconds };
    this.#entry = { service, address };
    this.#attributes = attributes;
    definitionOf(this.#server, attributes, context.style);
    this.#life = new RegistrationLife(context.clock, onState);
    this.#pace = new ConsulPace(context.clock, context.random);
    this.#renewals = new Waiters(context.clock);
    this.#updates = new Waiters(context.clock);
    this.#onClosed = onClosed;
    this.#running = this.#run(this.#stop.signal);
  }

  get ready(): Promise<void> {
    return this.#life.ready;
  }

  get state(): RegistrationState {
    return this.#life.state;
  }

  snapshot(): RegistrationSnapshot {
    const { ttlSeconds } = this.#server, { state, sinceMs } = this.#life;
    return {
      ...this.#entry,
      state,
      sinceMs,
      ttlSeconds,
      renewedMs: this.#renewedMs,
      key: this.#renewedMs === undefined ? undefined : shownText(idOf(this.#server)),
      lastError: this.#lastFailure && shownText(textOf(this.#lastFailure)),
    };
  }

  async renew(): Promise<void> {
    this.#checkOpen();
    const late = () => this.#lastFailure ?? new Error(`the Consul agent did not answer within ${RENEW_MS} ms`);
    const renewed = this.#renewals.wait(RENEW_MS, late);
    this.#wake?.abort();
    await renewed;
  }

  async update(attributes: EndpointAttributes): Promise<void> {
    const checked = checkAttributes(attributes);
    definitionOf(this.#server, checked, this.#context.style);
    this.#checkOpen();
    this.#attributes = checked;
    this.#known = false;
    const updated = this.#updates.wait();
    this.#wake?.abort();
    await updated;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    while (!signal.aborted) {
      let waitMs: number;
      const waiting = [...this.#renewals.present()], updates = [...this.#updates.present()];
      try {
        const sentMs = clock.now();
        await this.#round(signal);
        this.#succeeded(sentMs);
        for (const waiter of [...waiting, ...updates]) waiter.resolve();
        const idle = this.#renewals.empty && this.#updates.empty;
        waitMs = idle ? sentMs + 1_000 * this.#server.ttlSeconds / 3 - clock.now() : 0;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(asError(error));
      }
      // A listener may have closed it.
      if (signal.aborted) return;
      this.#wake = new AbortController();
      await sleep(clock, waitMs, this.#wake.signal);
    }
  }

  /** Sends a heartbeat; registers the server if the agent does not have it as it should be. */
  async #round(signal: AbortSignal): Promise<void> {
    if (this.#known) {
      try {
        await this.#context.agent.request(pass(this.#server), signal);
        return;
      } catch (error) {
        if (!(error instanceof ConsulError) || !error.unknown) throw error;
        this.#known = false;
        if (this.#life.to("lost", error)) {
          emit(this.#context.onEvent, { type: "lease-lost", ...this.#entry, cause: error });
        }
      }
    }
    const { agent, style } = this.#context, attributes = this.#attributes;
    await agent.request(register(definitionOf(this.#server, attributes, style)), signal);
    this.#known = attributes === this.#attributes;
  }

  #succeeded(sentMs: number): void {
    const { ttlSeconds } = this.#server, { clock, onEvent } = this.#context;
    if (this.#stop.signal.aborted) return;
    this.#pace.succeeded();
    this.#lastFailure = undefined;
    this.#renewedMs = sentMs;
    this.#suspicion?.cancel();
    this.#suspicion = clock.timer(sentMs + 1_000 * ttlSeconds - clock.now(), () => this.#suspect());
    const again = this.#life.state !== "pending";
    if (this.#life.to("registered")) {
      emit(onEvent, { type: "registered", ...this.#entry, key: idOf(this.#server), again });
    }
  }

  /** Nothing has succeeded for a TTL: the check has failed by now, unless the agent has another idea of time. */
  #suspect(): void {
    const { ttlSeconds } = this.#server;
    const cause = this.#lastFailure ?? new Error(`the Consul agent did not answer for ${ttlSeconds} s`);
    if (this.#life.to("suspect", cause)) {
      emit(this.#context.onEvent, { type: "registration-suspect", ...this.#entry, cause });
    }
  }

  /** Returns the delay before the next attempt, in milliseconds. */
  #failed(cause: Error): number {
    const { service } = this.#server, { onEvent } = this.#context;
    this.#lastFailure = cause;
    const retryInMs = this.#pace.failed(cause);
    if (cause instanceof ConsulError && cause.refused) {
      emit(onEvent, { type: "auth-refused", service, cause, retryInMs });
    } else if (this.#life.state === "pending" || this.#life.state === "lost") {
      // A heartbeat that failed is no news: the next one may be in time.
      emit(onEvent, { type: "registration-failed", ...this.#entry, cause, retryInMs });
    }
    return retryInMs;
  }

  async #close(): Promise<void> {
    const { agent, clock, random } = this.#context;
    this.#life.to("closed", this.#lastFailure);
    this.#stop.abort(new Error("the registration was closed"));
    this.#wake?.abort();
    this.#suspicion?.cancel();
    for (const waiters of [this.#renewals, this.#updates]) waiters.settle(new Error("the registration was closed"));
    const late = new AbortController();
    const timer = clock.timer(CLOSE_MS, () => late.abort(new Error("it took too long")), true);
    // A registration that was on its way may have arrived.
    await this.#running;
    const pace = new ConsulPace(clock, random);
    while (!late.signal.aborted) {
      try {
        await agent.request(deregister(this.#server), late.signal);
        break;
      } catch (error) {
        if (error instanceof ConsulError && (error.unknown || error.refused)) break;
        await sleep(clock, pace.failed(error), late.signal, true);
      }
    }
    timer.cancel();
    this.#onClosed();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the registration is closed");
  }
}
