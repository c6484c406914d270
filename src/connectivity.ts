/** gRPC's connectivity states (connectivity-semantics-and-api.md). */
export type ConnectivityState = "idle" | "connecting" | "ready" | "transient_failure" | "shutdown";
