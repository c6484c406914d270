import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { Connection } from "../connection/connection.ts";
import type { CallInfo } from "./policy.ts";

/**
 * Presents a call to the picker of a decorated policy with more connections excluded, for example because their servers
 * run the wrong version, or because only some calls may go to a canary.
 */
export function excluding(call: CallInfo, excludes: (connection: Connection) => boolean): CallInfo {
  return new ExcludingCall(call, excludes);
}

class ExcludingCall implements CallInfo {
  readonly #call: CallInfo;
  readonly #excludes: (connection: Connection) => boolean;

  constructor(call: CallInfo, excludes: (connection: Connection) => boolean) {
    this.#call = call;
    this.#excludes = excludes;
  }

  get method(): DescMethod {
    return this.#call.method;
  }

  get header(): Headers {
    return this.#call.header;
  }

  get contextValues(): ContextValues {
    return this.#call.contextValues;
  }

  get hashKey(): string | undefined {
    return this.#call.hashKey;
  }

  excluded(connection: Connection): boolean {
    return this.#excludes(connection) || this.#call.excluded(connection);
  }
}
