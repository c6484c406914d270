/** Which names metrics and spans have: gRPC's own, those of OpenTelemetry's semantic conventions, or both. */
export type Conventions = "grpc" | "otel" | "both";

/** Whether gRPC's own names are used. */
export function isGrpc(conventions: Conventions): boolean {
  return conventions !== "otel";
}

/** Whether OpenTelemetry's names are used. */
export function isOtel(conventions: Conventions): boolean {
  return conventions !== "grpc";
}
