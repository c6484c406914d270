import type { Endpoint } from "../../endpoint.ts";

/** A loop's place on the list of etcd endpoints: it moves on when an endpoint fails it. */
export interface Cursor {
  readonly endpoint: Endpoint;
  next(): void;
}
