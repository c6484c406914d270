/**
 * A live page about transports, servers and registries, as a function from `Request` to `Response`. Without Node's
 * modules, and without a build step: script and style are text in the package, and nothing is loaded from elsewhere.
 *
 * @module
 */
export { type Observation, observe } from "./observe/page/observe.ts";
export type { ObservedRegistry, ObservedServer, ObservedTransport, ObserveOptions } from "./observe/page/options.ts";
export type { Difference } from "./observe/page/difference.ts";
export type {
  AttemptRow,
  CallRow,
  EndpointRow,
  EventRow,
  PageState,
  RegistrationRow,
  ServerRow,
  ServiceRow,
  Table,
  TableName,
  WatchRow,
} from "./observe/page/state.ts";
