// `grpc-timeout` (gRPC's PROTOCOL-HTTP2, "Requests").

/** gRPC's TimeoutValue has at most 8 digits; what needs more in milliseconds is sent in seconds, rounded up. */
export function timeoutField(timeoutMs: number): string {
  const ms = Math.ceil(timeoutMs);
  return ms < 100_000_000 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}

const MILLISECONDS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** The milliseconds that a `grpc-timeout` allows; undefined if it isn't one. */
export function parseTimeoutField(value: string): number | undefined {
  const digits = value.length - 1;
  if (digits < 1 || digits > 8) return undefined;
  let amount = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    amount = amount * 10 + digit;
  }
  const unit = MILLISECONDS[value[digits]!];
  return unit === undefined ? undefined : amount * unit;
}
