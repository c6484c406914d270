import type { Endpoint } from "../../endpoint.ts";

/** A loop's position in the list of etcd endpoints; it moves on when an endpoint fails. */
export interface Cursor {
  readonly endpoint: Endpoint;
  next(): void;
}
