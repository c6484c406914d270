import type { Connection, Outcome } from "../connection/connection.ts";
import type { CallInfo, Picker, PickResult, PolicySnapshot } from "./policy.ts";

/** The picker of a policy that decorates another: it has its own `pick`, and forwards the rest to the other's picker. */
export abstract class DecoratingPicker implements Picker {
  readonly inner: Picker;

  constructor(inner: Picker) {
    this.inner = inner;
  }

  abstract pick(call: CallInfo): Connection | PickResult | "wait" | Error;

  done(connection: Connection, outcome: Outcome, call: CallInfo): void {
    this.inner.done?.(connection, outcome, call);
  }

  describe(connection: Connection): PolicySnapshot | undefined {
    return this.inner.describe?.(connection);
  }

  exitIdle(): void {
    this.inner.exitIdle?.();
  }

  close(): void {
    this.inner.close?.();
  }
}
