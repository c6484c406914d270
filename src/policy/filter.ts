import type { Connection } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint.ts";
import { fn, made } from "../option.ts";
import { checkPolicy } from "./check-policy.ts";
import { DecoratingPicker } from "./decorating-picker.ts";
import { defaultPolicy } from "./default-policy.ts";
import { excluding } from "./excluding.ts";
import { type CallInfo, type Picker, type PickResult, type Policy, unavailable } from "./policy.ts";

/** Whether a call may go to an endpoint. */
export type EndpointFilter = (endpoint: Endpoint, call: CallInfo) => boolean;

const isFilter = /* @__PURE__ */ fn("a function, (endpoint, call) => boolean");

/**
 * Decides for each call which endpoints it may go to, for canaries, versions and tenants; another policy chooses among
 * those: `filter(({ metadata }, call) => call.header.get("x-canary") === "1" || !metadata?.canary, leastRequest())`. If
 * there is none, or those are all failing, the call fails with Unavailable; while they are being connected, it waits.
 *
 * The function is called at each pick, for one endpoint or several, and should be quick. What it throws fails the call
 * with Internal. Reading `call.header` creates the call's headers.
 *
 * @param policy what chooses among the endpoints that are left. Defaults to the default policy.
 * @throws TypeError if an argument is invalid.
 */
export function filter(accepts: EndpointFilter, policy: Policy = defaultPolicy()): Policy {
  isFilter("accepts", accepts);
  checkPolicy(policy);
  return (connections, previous, env) => {
    const inner = policy(connections, previous instanceof FilterPicker ? previous.inner : undefined, env);
    return new FilterPicker(connections, inner, accepts);
  };
}

made(filter);

class FilterPicker extends DecoratingPicker {
  readonly #connections: readonly Connection[];
  readonly #accepts: EndpointFilter;

  constructor(connections: readonly Connection[], inner: Picker, accepts: EndpointFilter) {
    super(inner);
    this.#connections = connections;
    this.#accepts = accepts;
  }

  pick(call: CallInfo): Connection | PickResult | "wait" | Error {
    const accepts = this.#accepts;
    const picked = this.inner.pick(excluding(call, ({ endpoint }) => !accepts(endpoint, call)));
    if (picked !== "wait") return picked;
    // The policy may be waiting for endpoints that the call may not go to.
    const left = this.#connections.filter(({ endpoint }) => accepts(endpoint, call));
    return left.length > 0 ? unavailable(left) : new Error("the filter accepts no endpoint for the call");
  }
}
