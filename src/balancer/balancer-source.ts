import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { Picker } from "../policy/policy.ts";
import type { Balancer } from "./balancer.ts";
import type { Chooser } from "./chooser.ts";
import type { PendingCall, PickerSource } from "./picker-source.ts";

/** A balancer as the calls of one transport see it, with what chooses for them. */
export abstract class BalancerSource<B extends Balancer> implements PickerSource {
  readonly balancer: B;
  readonly chooser: Chooser;
  readonly target: string;
  readonly outcomes: PickerSource["outcomes"];

  constructor(balancer: B, chooser: Chooser) {
    this.balancer = balancer;
    this.chooser = chooser;
    this.target = balancer.target;
    this.outcomes = balancer.outcomes;
  }

  get closed(): boolean {
    return this.chooser.closed || this.balancer.closed;
  }

  get scheme(): string | undefined {
    return this.balancer.scheme;
  }

  get picker(): Picker | undefined {
    return this.chooser.picker;
  }

  get config(): PickerSource["config"] {
    return this.balancer.config;
  }

  get serving(): boolean {
    return this.balancer.serving;
  }

  get panic(): boolean {
    return this.balancer.panic;
  }

  get full(): boolean {
    return this.balancer.full;
  }

  get overload(): string | undefined {
    return this.balancer.overload;
  }

  get waiting(): number {
    return this.balancer.waiting;
  }

  start(): void {
    this.balancer.activate(this.chooser);
  }

  await(call: PendingCall): void {
    this.balancer.await(call);
  }

  forget(call: PendingCall): void {
    this.balancer.forget(call);
  }

  hasRoom(connection: EndpointConnection): void {
    this.balancer.hasRoom(connection);
  }

  moreTimeMs(waitTimeoutMs: number): number {
    return this.balancer.moreTimeMs(waitTimeoutMs);
  }

  describe(): string {
    return this.balancer.describe();
  }

  describeHealth(): string | undefined {
    return this.balancer.describeHealth();
  }

  /** Closes the balancer, or only what chooses if others share the balancer. */
  async close(graceMs: number): Promise<void> {
    if (this.chooser === this.balancer.chooser) return await this.balancer.close(graceMs);
    this.balancer.release(this.chooser);
  }
}
