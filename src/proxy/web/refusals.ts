/** Requests that a proxy refused because of what they are; they are no calls. */
export interface ProxyRefusals {
  /** Calls that fit no route. */
  noRoute: number;
  /** Requests in a protocol, a format or with a method of HTTP that the proxy, or the call's route, doesn't take. */
  unsupported: number;
}
