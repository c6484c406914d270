import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { textOf } from "../error-text.ts";
import { guarded } from "../listener.ts";
import type { CallThrottle } from "./throttle.ts";

/** A throttle that a user may have written: what it throws fails the call it refuses, and is printed at a call's end. */
export class GuardedThrottle implements CallThrottle {
  readonly #throttle: CallThrottle;

  constructor(throttle: CallThrottle) {
    this.#throttle = throttle;
  }

  /** @throws ConnectError with code Internal if the throttle throws */
  refuses(method: DescMethod): string | undefined {
    try {
      return this.#throttle.refuses(method);
    } catch (error) {
      const { name, parent } = method, text = `the transport's throttle threw: ${textOf(error)}`;
      throw new ConnectError(`${parent.typeName}/${name}: ${text}`, Code.Internal, undefined, undefined, error);
    }
  }

  ended(method: DescMethod, error: unknown): void {
    guarded("ended of a throttle", () => this.#throttle.ended(method, error));
  }
}
